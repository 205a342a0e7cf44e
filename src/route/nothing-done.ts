/**
 * What a failed route may claim. It cannot say that nothing was changed: the same route may have
 * been used before in the run.
 */
export const nothingDone = 'This attempt did nothing on the host.';
