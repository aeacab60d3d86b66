import type { Clock } from "../ports.js";

/** A leader is asked so often, and has so long to say something; in ms. */
const every = 15_000;
const patience = 5_000;

/**
 * Looks after the leader from a tab that does not lead. Browsers stop tabs without
 * telling them, and a stopped one keeps its lock: the others would wait for ever.
 */
export class Vigil {
  private cancel = () => {};
  private asked = false;
  private visible = true;

  constructor(
    private readonly clock: Clock,
    /** Makes the leader say something. */
    private readonly ask: () => void,
    /** It does not. Only called while this tab is visible: others may be stopped themselves. */
    private readonly dead: () => void,
  ) {}

  /** Asks now, and goes on looking. */
  begin(): void {
    this.cancel();
    this.asked = true;
    this.cancel = this.clock.after(patience, () => this.visible && this.dead());
    this.ask();
  }

  /** The leader said something. */
  heard(): void {
    if (!this.asked) return;
    this.asked = false;
    this.cancel();
    this.cancel = this.clock.after(every, () => this.begin());
  }

  /** Is there no answer yet? */
  get asking(): boolean {
    return this.asked;
  }

  setVisible(visible: boolean): void {
    this.visible = visible;
    if (visible) this.begin();
  }

  end(): void {
    this.cancel();
  }
}
