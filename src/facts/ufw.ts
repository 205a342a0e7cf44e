import { known, unknown, type Fact, type Observed, type Parts } from './fact.ts';

/** ufw's own state, read from its files: `ufw status` would leave a lock file behind. */
export interface Ufw {
  readonly installed: boolean;
  /** True where ufw is enabled: its rules are loaded now and at boot. */
  readonly active: boolean;
  /** True where ufw also manages IPv6. */
  readonly ipv6: boolean;
  readonly rules: readonly UfwRule[];
  readonly rules6: readonly UfwRule[];
}

/** One rule as ufw counts them: `ufw insert N` takes the position in this list. */
export interface UfwRule {
  /** `allow`, `deny`, `reject` or `limit`. */
  readonly action: string;
  readonly protocol: string;
  /** Destination port or `any`. */
  readonly port: string;
  readonly destination: string;
  readonly sourcePort: string;
  readonly source: string;
  /** `in`, `out`, with `_INTERFACE` where there is one. */
  readonly direction: string;
  /** The application profile, as `OpenSSH`; empty where the rule names ports. */
  readonly application: string;
  /** How many rules of the kernel's `ufw-user-input` chain this one makes. */
  readonly kernelRules: number;
}

/** Enabled or not, IPv6 or not, and the user rules in ufw's order. */
export const ufwFact: Fact<undefined, Ufw> = {
  name: 'ufw',
  summary: "ufw: whether it is enabled, whether it manages IPv6, and its rules in ufw's own order",
  slow: false,
  read: () => [
    { part: 'conf', sh: '[ -f /etc/ufw/ufw.conf ] || exit 3\ncat /etc/ufw/ufw.conf' },
    { part: 'default', sh: '[ -f /etc/default/ufw ] || exit 3\ncat /etc/default/ufw' },
    { part: 'rules', sh: rulesSh('user.rules'), long: true },
    { part: 'rules6', sh: rulesSh('user6.rules'), long: true },
  ],
  parse: parseUfw,
};

// ufw moved its rules from /lib/ufw to /etc/ufw in 0.34; the newer place wins where both exist.
function rulesSh(name: string): string {
  return `for f in /etc/ufw/${name} /lib/ufw/${name}; do [ ! -f "$f" ] || { cat "$f"; exit; }; done; exit 3`;
}

function parseUfw(parts: Parts): Observed<Ufw> {
  const conf = parts.get('conf');
  if (conf === undefined || conf.status === 3) {
    return known({ installed: false, active: false, ipv6: false, rules: [], rules6: [] });
  }
  const rules = parts.get('rules');
  const rules6 = parts.get('rules6');
  const failed = [conf, rules, rules6].find(
    (part) => part === undefined || (part.status !== 0 && part.status !== 3) || part.cut,
  );
  if (failed !== undefined) {
    return unknown(`ufw's files could not be read: ${failed.errors || 'too long'}`);
  }
  return known({
    installed: true,
    active: setting(conf.text, 'ENABLED') === 'yes',
    ipv6: setting(parts.get('default')?.text ?? '', 'IPV6') === 'yes',
    rules: parseUfwRules(rules?.text ?? ''),
    rules6: parseUfwRules(rules6?.text ?? ''),
  });
}

function setting(text: string, name: string): string | null {
  const match = new RegExp(`^\\s*${name}\\s*=\\s*"?([^"\\s#]*)"?`, 'mi').exec(text);
  return match?.[1]?.toLowerCase() ?? null;
}

/** Reads the tuples of user.rules or user6.rules; route rules are kept, since ufw counts them. */
export function parseUfwRules(text: string): UfwRule[] {
  const rules: UfwRule[] = [];
  for (const line of text.split('\n')) {
    const tuple = /^### tuple ### (.+)$/.exec(line);
    if (tuple !== null) {
      rules.push(parseTuple(tuple[1] ?? ''));
    } else if (/^-A ufw6?-user-input /.test(line)) {
      const last = rules.pop();
      rules.push(...(last === undefined ? [] : [{ ...last, kernelRules: last.kernelRules + 1 }]));
    } else if (line.startsWith('### END RULES')) {
      break;
    }
  }
  return rules;
}

// ACTION PROTO DPORT DST SPORT SRC [DAPP SAPP] DIRECTION [comment=HEX]; a logging rule is `allow_log`.
function parseTuple(text: string): UfwRule {
  const words = text.split(' ').filter((word) => word !== '' && !word.startsWith('comment='));
  const [action = '', protocol = '', port = '', destination = '', sourcePort = '', source = ''] =
    words;
  return {
    action: action.replace(/_log.*$/, ''),
    protocol,
    port,
    destination,
    sourcePort,
    source,
    direction: words.length > 6 ? (words.at(-1) ?? 'in') : 'in',
    application: words.length > 8 ? `${words[6] ?? ''} ${words[7] ?? ''}` : '',
    kernelRules: 0,
  };
}
