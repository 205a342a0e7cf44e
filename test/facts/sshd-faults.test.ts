import { describe, expect, it } from 'vitest';
import { sshdFaultsFact } from '../../src/facts/sshd-faults.ts';
import { capturedValue, distros, part } from './support/captured.ts';

describe.each(distros)('%s', (distro) => {
  it('a clean host has none, and the copy of the package is there', () => {
    const value = capturedValue(sshdFaultsFact, undefined, `${distro}-clean`);
    expect(value).toMatchObject({ faults: [], binary: [], left: [], complete: true });
    expect(value.originals[0]?.text).toContain('Include /etc/ssh/sshd_config.d/*.conf');
  });

  it('every refused line is found at once, a Match with its block', () => {
    const { faults } = capturedValue(sshdFaultsFact, undefined, `${distro}-sshd-config-refused`);
    const first = distro === 'debian12' ? 123 : 125;
    expect(faults.map(({ file, line, last }) => [file, line, last])).toEqual([
      ['/etc/ssh/sshd_config.d/50-limits.conf', 1, 1],
      ['/etc/ssh/sshd_config', first, first],
      ['/etc/ssh/sshd_config', first + 1, first + 1],
      ['/etc/ssh/sshd_config', first + 2, first + 4],
    ]);
    expect(faults[0]?.why).toBe('MaxSessions integer value invalid.');
  });
});

it('without namespaces the one fault that sshd names is known, and that more may hide', () => {
  const text =
    'alone\nleft /etc/ssh/sshd_config line 7: no argument after keyword "Foo"\nleft /etc/ssh/sshd_config: terminating, 1 bad configuration options\nend\n';
  const observed = sshdFaultsFact.parse(new Map([['search', part(text)]]), undefined);
  expect(observed).toMatchObject({
    known: true,
    value: {
      complete: false,
      faults: [{ file: '/etc/ssh/sshd_config', line: 7, last: 7 }],
    },
  });
});

it('an answer that was cut off is not taken for a good configuration', () => {
  const observed = sshdFaultsFact.parse(new Map([['search', part('')]]), undefined);
  expect(observed.known).toBe(false);
});
