import { known, request, unknown, type Fact } from './fact.ts';

/** A run of remedy that is not settled yet. */
export interface OpenRun {
  /** The id of its stage. */
  readonly runId: string;
  readonly state: 'armed' | 'reverting';
}

/** The runs of remedy on a host that wait for their confirmation, or are being taken back. */
export const runsFact: Fact<undefined, readonly OpenRun[]> = {
  name: 'runs',
  summary: 'the runs of remedy that are not settled yet',
  slow: false,
  read: () => [
    {
      part: 'open',
      sh: `for f in /var/lib/remedy/*/armed /var/lib/remedy/*/reverting; do
  [ ! -e "$f" ] || printf '%s\\n' "$f"
done`,
    },
  ],
  parse: (parts) => {
    const part = parts.get('open');
    if (part === undefined || part.status !== 0) {
      return unknown(`the runs on the host could not be listed: ${part?.errors || 'no answer'}`);
    }
    return known(
      [
        ...part.text.matchAll(/^\/var\/lib\/remedy\/([A-Za-z0-9-]{1,64})\/(armed|reverting)$/gm),
      ].map(([, runId = '', state]) => ({ runId, state: state as OpenRun['state'] })),
    );
  },
};

/** The request for the runs that are not settled yet. */
export const runsRequest = request(runsFact, undefined);
