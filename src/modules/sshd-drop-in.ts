import { z } from 'zod';
import { configFile, sshdConfigRequest, withConfigFile } from '../facts/sshd-config.ts';
import { blocked, change, none, type Module } from './module.ts';
import { managedBy } from './sshd-edit.ts';
import { configChanges } from './sshd-port-change.ts';
import { notRunning, reloadChange, reloadRequests } from './sshd-reload.ts';

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}\.conf$/, 'a file name that ends in .conf')
    .describe('the file in /etc/ssh/sshd_config.d; sshd reads them in the order of their names'),
  content: z
    .string()
    .regex(/^[^\0]*$/, 'text without NUL bytes')
    .describe('the whole text of the file'),
});

const folder = '/etc/ssh/sshd_config.d';

/** Places a whole drop-in of sshd, as far as this host reads drop-ins. */
export const sshdDropIn: Module<typeof schema> = {
  name: 'sshd-drop-in',
  summary: 'Place a drop-in file of sshd as it is given, then let sshd read it',
  schema,
  facts: () => [sshdConfigRequest, ...reloadRequests],
  plan({ name, content }, facts) {
    const config = facts.get(sshdConfigRequest);
    if (!config.known) {
      return blocked(config.because);
    }
    const path = `${folder}/${name}`;
    const text = Buffer.from(content.endsWith('\n') ? content : `${content}\n`, 'utf8').toString(
      'latin1',
    );
    const now = configFile(config.value, path);
    if (now?.text === text) {
      return none(`${path} is as it is to be`);
    }
    const after = withConfigFile(config.value, path, text);
    if (!after.includes.some(({ files }) => files.includes(path))) {
      return blocked(
        `sshd on this host does not read ${path}: no Include names it`,
        `Add «Include ${folder}/*.conf» at the top of /etc/ssh/sshd_config, or use sshd-option.`,
      );
    }
    const written = configChanges(
      config.value,
      [{ path, text }],
      now === null ? 'a new drop-in' : 'the drop-in as it is given',
    );
    const reload = reloadChange(facts, written.config);
    const owner = now === null ? null : managedBy(now.text);
    const warning = owner === null ? '' : `; ${owner} seems to own the file and may put it back`;
    return change(
      `${path} ${now === null ? 'is not there' : 'is another'}${warning}${notRunning(facts)}`,
      [...written.changes, ...(reload === null ? [] : [reload])],
    );
  },
};
