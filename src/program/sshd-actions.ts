/** The shell functions that gate, reload and take back changes of sshd's configuration. */
export const sshdActionFunctions = '';
