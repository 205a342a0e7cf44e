import { describe, expect, it } from 'vitest';
import { parseUfwRules, ufwFact } from '../../src/facts/ufw.ts';
import { captured, capturedParts, capturedValue, distros, part } from './support/captured.ts';

describe.each(distros)('ufw on %s', (distro) => {
  it('is installed and not active on a fresh host', () => {
    expect(capturedValue(ufwFact, undefined, `${distro}-clean`)).toMatchObject({
      installed: true,
      active: false,
      rules: [],
      rules6: [],
    });
  });

  it('is active without a rule after ufw enable', () => {
    expect(capturedValue(ufwFact, undefined, `${distro}-ufw-enabled`)).toEqual({
      installed: true,
      active: true,
      ipv6: true,
      rules: [],
      rules6: [],
    });
  });

  it('knows that IPv6 is left to nobody', () => {
    expect(capturedValue(ufwFact, undefined, `${distro}-ufw-no-ipv6`)).toMatchObject({
      active: true,
      ipv6: false,
    });
  });

  it('keeps the order, and counts the kernel rules of each rule: limit makes three, route and out none', () => {
    const { rules } = capturedValue(ufwFact, undefined, `${distro}-ufw-rules`);
    expect(
      rules.map(
        (rule) =>
          `${rule.action} ${rule.protocol} ${rule.port} ${rule.source} ${rule.direction} ${rule.kernelRules}`,
      ),
    ).toEqual([
      'deny any any 203.0.113.0/24 in 2',
      'limit tcp 22 0.0.0.0/0 in 3',
      'deny tcp 22 192.0.2.7 in 1',
      'reject tcp 23 0.0.0.0/0 in 1',
      'allow tcp 22 0.0.0.0/0 in 1',
      'route:allow tcp 80 0.0.0.0/0 in_eth0!out_eth1 0',
      'allow tcp 2222 0.0.0.0/0 in_eth0 1',
      'deny tcp 25 0.0.0.0/0 out 0',
      'allow udp 60000:61000 0.0.0.0/0 in 1',
      'allow tcp 80,443 0.0.0.0/0 in 1',
    ]);
  });

  it('reads the IPv6 rules apart', () => {
    const { rules6 } = capturedValue(ufwFact, undefined, `${distro}-ufw-rules`);
    expect(
      rules6.map(
        (rule) => `${rule.action} ${rule.protocol} ${rule.port} ${rule.source} ${rule.direction}`,
      ),
    ).toEqual([
      'limit tcp 22 ::/0 in',
      'reject tcp 23 ::/0 in',
      'allow tcp 22 ::/0 in',
      'allow tcp 22 2001:db8::/32 in',
      'allow tcp 2222 ::/0 in_eth0',
      'deny tcp 25 ::/0 out',
      'allow udp 60000:61000 ::/0 in',
      'allow tcp 80,443 ::/0 in',
    ]);
  });
});

describe('ufw', () => {
  it('is not installed where its file is missing', () => {
    const parts = new Map([['conf', part('', { status: 3 })]]);
    expect(ufwFact.parse(parts, undefined)).toMatchObject({
      value: { installed: false, active: false },
    });
  });

  it('is unknown, not inactive, where a file cannot be read', () => {
    const parts = new Map(capturedParts('ufw', 'debian12-ufw-enabled'));
    parts.set(
      'rules',
      part('', { status: 1, errors: 'cat: /etc/ufw/user.rules: Permission denied' }),
    );
    expect(ufwFact.parse(parts, undefined)).toEqual({
      known: false,
      because: "ufw's files could not be read: cat: /etc/ufw/user.rules: Permission denied",
    });
  });

  it('is unknown where the rules were cut', () => {
    const parts = new Map(capturedParts('ufw', 'debian12-ufw-enabled'));
    parts.set('rules', part('x', { cut: true }));
    expect(ufwFact.parse(parts, undefined).known).toBe(false);
  });

  it('is known on the captured hosts', () => {
    expect(captured(ufwFact, undefined, 'debian12-ufw-cifs').known).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['a tuple without words', '### tuple ### '],
    ['a kernel rule without a tuple', '-A ufw-user-input -j DROP'],
    ['a million characters', `### tuple ### ${'a'.repeat(1_000_000)}`],
  ])('survives %s', (_, text) => {
    expect(parseUfwRules(text).length).toBeLessThanOrEqual(1);
  });

  it('ends at the end of the rules', () => {
    expect(
      parseUfwRules('### END RULES ###\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n'),
    ).toEqual([]);
  });
});
