import { LinkLost, NoRoom } from './answers.ts';
import { deliver, type Arrival, type Portion } from './deliver.ts';
import type { Talk } from './talk.ts';

/**
 * Sends a text from an offset on.
 *
 * @throws LinkLost; NoRoom where the host has none.
 */
export async function sendText(
  talk: Talk,
  portion: Portion,
  key: string,
  { text, from }: { readonly text: string; readonly from: number },
): Promise<void> {
  talk.answers.drop();
  const way = { line: talk.line, answers: talk.answers, pace: talk.pace, portion };
  const delivery = {
    length: text.length,
    type: (start: number, characters: number): number => {
      const data = text.slice(start, start + characters);
      talk.say(['u', key, String(start), data]);
      return start + data.length;
    },
    heard: async (timeoutMs: number): Promise<Arrival | null> => {
      const answer = await talk.answers.next(({ verb }) => 'ANF'.includes(verb), timeoutMs);
      if (answer?.verb === 'F') {
        throw new NoRoom('there is no room on the host for the program');
      }
      if (answer !== null && answer.words[0] !== key) {
        throw new LinkLost('the agent on the host is another one', false);
      }
      if (answer === null) {
        return null;
      }
      const [, has, of = -1] = answer.words;
      return { has: Number(has), of: answer.verb === 'N' ? null : Number(of) };
    },
  };
  await deliver(way, delivery, from);
}
