import { describeAddress } from './address.ts';
import type { Preset } from './presets.ts';

const examples: Readonly<Record<string, string>> = {
  ec2: 'i-0123456789abcdef0@eu-west-1',
  gcp: 'web1@europe-west1-b',
  azure: 'group/web1',
  oci: 'ocid1.instanceconsoleconnection.x/ocid1.instance.y@eu-frankfurt-1',
  linode: 'user@frankfurt/web1',
  libvirt: 'web1',
  proxmox: '101',
  incus: 'web1',
  ipmi: 'admin@bmc1',
  ilo: 'admin@ilo1',
  idrac: 'admin@idrac1',
  conserver: 'web1',
  tmux: 'work:0.1',
};

/** The list of presets as Markdown, each with an example and the command behind it. */
export function presetsMarkdown(presets: readonly Preset[]): string {
  const sections = presets.map((preset) => {
    const example = examples[preset.name] ?? '';
    const groups = preset.pattern.exec(example)?.groups;
    if (groups === undefined) {
      throw new Error(`preset ${preset.name} has no example that fits`);
    }
    const address = preset.address(groups);
    return [
      `## ${preset.name}:${preset.form}`,
      '',
      preset.hint,
      '',
      `\`--console ${preset.name}:${example}\` stands for ${describeAddress(address, (words) => `\`${words}\``)}.`,
      '',
      preset.seen === 'run here'
        ? 'The command is run by our tests.'
        : 'The command is taken from the documentation of its maker; it was not run by us.',
      '',
    ].join('\n');
  });
  return [
    '# Console presets',
    '',
    'Written by `npm run generate` from `src/route/console/presets.ts`. See [consoles](console.md).',
    '',
    ...sections,
  ].join('\n');
}
