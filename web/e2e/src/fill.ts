// Long conversations for the tests, written by REST in batches.
import type { Cluster } from "./cluster.js";

const batchSize = 100;
const parallel = 4;

/**
 * Makes `from` write n messages to `to`, in batches. Their texts are "message 1",
 * "message 2", … with a few longer ones between, but not in that order: batches
 * overtake each other. Gives the conversation.
 */
export async function fill(cluster: Cluster, from: string, to: string, n: number): Promise<string> {
  const token = await cluster.token(from);
  let next = 0;
  let conv = "";
  const worker = async () => {
    while (next < n) {
      const first = next;
      next = Math.min(n, first + batchSize);
      const messages = Array.from({ length: next - first }, (_, i) => ({ to, cmid: `fill-${first + i + 1}`, body: { text: textOf(first + i + 1) } }));
      const answer = (await cluster.post("/v1/messages/batch", { messages }, token)) as { items: { ack?: { conv: string } }[] };
      for (const item of answer.items) {
        if (!item.ack) throw new Error(`not stored: ${JSON.stringify(item)}`);
        conv = item.ack.conv;
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return conv;
}

function textOf(i: number): string {
  const more = i % 7 === 0 ? " " + "and a good deal more to say about it, over several lines. ".repeat((i % 5) + 1) : "";
  return `message ${i}${more}`;
}
