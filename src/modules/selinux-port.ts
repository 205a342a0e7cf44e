import { z } from 'zod';
import type { Change } from '../core/change.ts';
import { request } from '../facts/fact.ts';
import { selinuxFact, type PortLabel, type Selinux } from '../facts/selinux.ts';
import { blocked, change, none, type Module, type ModulePlan } from './module.ts';

const schema = z.strictObject({
  port: z.int().min(1).max(65535).describe('the TCP port that sshd must be allowed to take'),
});

const selinuxRequest = request(selinuxFact, undefined);

/** The type that the policy lets sshd bind to. */
const sshType = 'ssh_port_t';

/** Gives a port the SELinux label of SSH, where SELinux would keep sshd from it. */
export const selinuxPort: Module<typeof schema> = {
  name: 'selinux-port',
  summary: 'Give a TCP port the SELinux label of SSH, so that sshd may listen on it',
  schema,
  facts: () => [selinuxRequest],
  plan({ port }, facts) {
    const selinux = facts.get(selinuxRequest);
    return selinux.known ? planLabel(port, selinux.value) : blocked(selinux.because);
  },
};

function planLabel(port: number, selinux: Selinux): ModulePlan {
  const { mode, ports } = selinux;
  if (mode === 'off') {
    return none('SELinux is not on here');
  }
  if (ports === null) {
    return mode === 'permissive'
      ? none('SELinux only warns here, and semanage is not installed')
      : blocked(
          `SELinux enforces, and without semanage nobody can let sshd take port ${port}`,
          'Install it on the host, then run the same command again:\n    dnf install policycoreutils-python-utils',
        );
  }
  const labels = ports.filter(
    ({ proto, from, to }) => proto === 'tcp' && from <= port && port <= to,
  );
  if (labels.some(({ type }) => type === sshType)) {
    return none(`port ${port} has the label ${sshType}`);
  }
  // semanage adds a port inside a range of another label, but not one that has a label of its own.
  const other = labels.find(({ from, to }) => from === to);
  if (other !== undefined) {
    return mode === 'permissive'
      ? none(`SELinux only warns here; port ${port} has the label ${other.type}`)
      : blocked(
          `port ${port} has the SELinux label ${other.type}: the service it is meant for would lose it`,
          'Choose a port without a label of its own. To see those that have one, on the host:\n    semanage port -l',
        );
  }
  return change(`port ${port} has no label that sshd may use`, [
    labelChange(port, selinux, labels),
  ]);
}

function labelChange(port: number, selinux: Selinux, labels: readonly PortLabel[]): Change {
  const label: PortLabel = { type: sshType, proto: 'tcp', from: port, to: port };
  const before = labels[0]?.type ?? 'unlabelled';
  return {
    kind: 'label',
    target: `SELinux port ${port}/tcp`,
    summary: `label port ${port}/tcp ${sshType}`,
    before: `${port}/tcp ${before}\n`,
    after: `${port}/tcp ${sshType}\n`,
    action: {
      type: 'run',
      argv: ['semanage', 'port', '-a', '-t', sshType, '-p', 'tcp', String(port)],
    },
    holds: null,
    undo: {
      type: 'run',
      argv: ['semanage', 'port', '-d', '-t', sshType, '-p', 'tcp', String(port)],
    },
    risk: 'service',
    sensitive: false,
    factsAfter: [
      { key: selinuxRequest.key, value: { ...selinux, ports: [...(selinux.ports ?? []), label] } },
    ],
    invalidates: [],
  };
}
