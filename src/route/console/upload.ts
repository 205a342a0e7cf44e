import { LinkLost, NoRoom } from './answers.ts';
import { deliver, type Portion } from './deliver.ts';
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
    arrived: async (timeoutMs: number): Promise<number | null> => {
      const answer = await talk.answers.next(({ verb }) => 'ANF'.includes(verb), timeoutMs);
      if (answer?.verb === 'F') {
        throw new NoRoom('there is no room on the host for the program');
      }
      if (answer !== null && answer.words[0] !== key) {
        throw new LinkLost('the agent on the host is another one', false);
      }
      return answer === null ? null : Number(answer.words[1]);
    },
  };
  await deliver(way, delivery, from);
}
