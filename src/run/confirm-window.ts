/** The confirm window where nobody names one, in seconds. */
export const usualWindowSeconds = 120;

/** Time for the proof's login and for the confirmation, in seconds. */
const proofSeconds = 60;

/**
 * The confirm window, in seconds. In it the host is looked at again, a login is made and the run is
 * confirmed: over a serial line the look alone can take minutes.
 *
 * @param wanted what was asked for; null where nothing was.
 * @param lookMs how long the last look at the host took, in milliseconds.
 */
export function confirmWindow(wanted: number | null, lookMs: number): number {
  return (
    wanted ??
    Math.max(usualWindowSeconds, Math.min(86_400, proofSeconds + Math.ceil((3 * lookMs) / 1000)))
  );
}
