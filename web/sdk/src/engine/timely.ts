import type { Clock } from "../ports.js";

/** How long a storage may take to answer, in ms. */
const answerWithin = 5_000;
/** So many questions may be without an answer; what is written is held in memory by each. */
const mostOpen = 1_000;

/**
 * Asks something that may never answer: a database that another tab blocks, say. The
 * first question without an answer in time has failed. Later ones are asked, and not
 * waited for, until there is an answer again; when there are too many, they are not even asked.
 */
export class Timely {
  private stuck = false;
  private open = 0;

  constructor(private readonly clock: Clock) {}

  /** `otherwise` is the answer where it is not waited for. */
  async do<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
    if (this.stuck && this.open >= mostOpen) return otherwise;
    const answer = ask().finally(() => {
      this.open--;
      this.stuck = false;
    });
    this.open++;
    if (this.stuck) {
      answer.catch(() => {}); // the first failure was told
      return otherwise;
    }
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(answerWithin, () => {
        this.stuck = true;
        reject(new Error("no answer in time"));
      });
      answer.then(resolve, reject).finally(cancel);
    });
  }
}
