import { known, unknown, type Fact, type Observed, type Part, type Parts } from './fact.ts';
import { parseFiles, printFiles, type HostFile } from './files.ts';

/** fail2ban's jails and bans. */
export interface Fail2ban {
  readonly running: boolean;
  readonly jails: readonly Jail[];
  /** The files by which remedy keeps exceptions, as they stand. */
  readonly exceptions: readonly HostFile[];
}

/** One jail. */
export interface Jail {
  readonly name: string;
  /** Addresses and nets that are banned now. */
  readonly banned: readonly string[];
  /** Addresses, nets and names that are never banned. */
  readonly ignored: readonly string[];
}

/** All jails with their bans and exceptions. */
export const fail2banFact: Fact<undefined, Fail2ban> = {
  name: 'fail2ban',
  summary: 'fail2ban: running or not, and for each jail who is banned and who is never banned',
  slow: true,
  read: () => [
    { part: 'ping', sh: 'have fail2ban-client || exit 127\nlimit 20 fail2ban-client ping' },
    {
      part: 'jails',
      sh: `${jailsSh}\nfor j in $(jails); do printf 'jail %s\\n' "$j"; limit 20 fail2ban-client status "$j"; printf 'ignored\\n'; limit 20 fail2ban-client get "$j" ignoreip; done`,
      long: true,
    },
    { part: 'exceptions', sh: printFiles(['/etc/fail2ban/jail.d/zz-remedy-*.local']) },
  ],
  parse: parseFail2ban,
};

const jailsSh = `have fail2ban-client && [ -S /var/run/fail2ban/fail2ban.sock ] || exit 3
jails() { limit 20 fail2ban-client status | sed -n 's/.*Jail list:[[:space:]]*//p' | tr ',' ' '; }`;

function parseFail2ban(parts: Parts): Observed<Fail2ban> {
  const ping = parts.get('ping');
  const jails = parts.get('jails');
  if (ping === undefined || ping.status === 127 || isDown(ping)) {
    return known({ running: false, jails: [], exceptions: [] });
  }
  if (ping.status !== 0 || jails === undefined || jails.status !== 0 || jails.cut) {
    return unknown(
      `fail2ban could not be asked: ${ping.errors || jails?.errors || `exit status ${ping.status}`}`,
    );
  }
  return known({
    running: true,
    jails: parseJails(jails.text),
    exceptions: parseFiles(parts.get('exceptions')?.latin1 ?? ''),
  });
}

function isDown(ping: Part): boolean {
  return (
    ping.status === 255 &&
    /Is fail2ban running|Failed to access socket/i.test(`${ping.errors}${ping.text}`)
  );
}

/** Reads the `jail`, status and `ignored` sections that the fact prints. */
export function parseJails(text: string): Jail[] {
  return text
    .split(/^jail (?=\S)/m)
    .slice(1)
    .map((section) => {
      const [status = '', ignored = ''] = section.split(/^ignored$/m);
      const list = /Banned IP list:[ \t]*(.*)$/m.exec(status)?.[1] ?? '';
      return {
        name: section.slice(0, section.indexOf('\n')).trim(),
        banned: list.split(/\s+/).filter((word) => word !== ''),
        ignored: [...ignored.matchAll(/^[|`]- (\S+)$/gm)].map((match) => match[1] ?? ''),
      };
    });
}
