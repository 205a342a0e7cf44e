import { spawnSync } from 'node:child_process';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../../src/core/secret.ts';
import { agentLines } from '../../../src/route/console/agent.ts';
import { Answers, LinkLost } from '../../../src/route/console/answers.ts';
import { checkAlphabet, checkValue, posixCrc } from '../../../src/route/console/check.ts';
import { deliver, Portion, type Arrival } from '../../../src/route/console/deliver.ts';
import { downFrame, maxLineBytes, upFrame } from '../../../src/route/console/frame.ts';
import { Line } from '../../../src/route/console/line.ts';
import { Pace } from '../../../src/route/console/pace.ts';
import { presets, presetAddress } from '../../../src/route/console/presets.ts';
import { waitingFor } from '../../../src/route/console/prompts.ts';
import { Recorder } from '../../../src/route/console/recorder.ts';
import { Screen } from '../../../src/route/console/screen.ts';
import { fromControlMode, sendKeys } from '../../../src/route/console/tmux.ts';
import type { Wire } from '../../../src/route/console/wire.ts';

const hasCksum = spawnSync('cksum', ['--version']).status === 0;

describe('check values', () => {
  test.skipIf(!hasCksum).each(['', 'a', 'u one 0 H4sIAAAA', checkAlphabet.repeat(20)])(
    'are those of cksum: %j',
    (text) => {
      const said = spawnSync('cksum', { input: text, encoding: 'utf8' }).stdout.split(' ')[0];
      expect(String(posixCrc(Buffer.from(text)))).toBe(said);
    },
  );

  test('tell a lost, a doubled and a moved character', () => {
    const text = 'g 12 one out 0 440';
    for (const kind of ['cksum', 'sum'] as const) {
      const good = checkValue(kind, text);
      for (const bad of [text.slice(1), `${text}0`, text.replace('12', '21'), '']) {
        expect(checkValue(kind, bad), `${kind} ${bad}`).not.toBe(good);
      }
    }
  });
});

describe('frames', () => {
  test('come back as they were, also behind other text', () => {
    const text = 'D 3 SGVsbG8=';
    const line = `[ 1.5] usb n0nce ${text} ${checkValue('sum', text)}`;
    expect(upFrame('sum', 'n0nce', line)).toEqual({ verb: 'D', words: ['3', 'SGVsbG8='] });
    expect(upFrame('sum', 'n0nce', line.replace('SG', 'SH'))).toBeNull();
    expect(upFrame('sum', 'other', line)).toBeNull();
  });

  test('are never longer than a terminal takes', () => {
    expect(() => downFrame('sum', ['u', 'k', '0', 'x'.repeat(maxLineBytes)])).toThrow('must not');
    expect(() => downFrame('sum', ['u', 'k', '0', 'a\u0000b'])).toThrow('must not');
  });

  test('the agent is sent in lines that a terminal takes, of characters that it takes', () => {
    const lines = agentLines({ nonce: 'n0nce', session: 's', deadManSeconds: 900 });
    for (const line of lines) {
      expect(line.length).toBeLessThan(maxLineBytes);
      expect(line).toMatch(/^[ -~]+$/);
      expect(line).toBe(line.trim());
    }
  });
});

function madeLine(): { line: Line; written: string[]; say: (text: string) => void } {
  const written: string[] = [];
  let listener: (bytes: Buffer) => void = () => {};
  const wire: Wire = {
    write: (bytes) => written.push(bytes.toString('latin1')),
    onData: (listen) => {
      listener = listen;
    },
    closed: new Promise(() => {}),
    close: async () => {},
  };
  return { line: new Line(wire), written, say: (text) => listener(Buffer.from(text, 'latin1')) };
}

describe('the line', () => {
  test('stops while the host says so, and takes the flow characters out', async () => {
    const { line, written, say } = madeLine();
    const heard: string[] = [];
    line.listen((bytes) => heard.push(bytes.toString('latin1')));
    say('a\u0013b');
    line.type('one\r');
    expect(written).toEqual([]);
    say('c\u0011d');
    expect(written).toEqual(['one\r']);
    expect(heard.join('')).toBe('abcd');
    await line.close();
  });

  test.each(['\u0000', '\u0001', '\u0005', '\u001b[A', '\u001d', 'é', '\n', '\u0004'])(
    'never types %j',
    (text) => {
      const { line, written } = madeLine();
      expect(() => line.type(text)).toThrow('must not be typed');
      expect(written).toEqual([]);
    },
  );
});

describe('what is delivered', () => {
  test('is not piled up while the line is stopped', async () => {
    const { line, written, say } = madeLine();
    const answers = new Answers(line);
    const way = { line, answers, pace: new Pace(), portion: new Portion() };
    let silent = 10;
    const delivery = {
      length: 10,
      type: (): number => {
        line.type('piece\r');
        return 10;
      },
      heard: async (): Promise<Arrival | null> => {
        silent -= 1;
        return silent === -1 ? { has: 10, of: 0 } : null;
      },
    };
    say('\u0013');
    await deliver(way, delivery, 0);
    say('\u0011');
    expect(written.join('').split('piece')).toHaveLength(2);
    await line.close();
  });
});

describe('an agent that is waited for', () => {
  function made(): { answers: Answers; say: (text: string) => void } {
    const { line, say } = madeLine();
    return { answers: new Answers(line), say };
  }

  test.each([
    'web1 login: ',
    'Debian GNU/Linux 12 web1 ttyS0\r\n\r\nweb1 login: ',
    'web1 login: :g 6 k1 out 0 440 1092206506 .\r\nPassword: ',
    '\r\nLogin incorrect\r\n',
    '[    0.000000] Linux version 6.1.0\r\n',
    '[  100.0] Kernel panic - not syncing: Fatal exception\r\n',
    "[forced to `spy' mode by kim@desk]\r\n",
  ])('is gone at once where the console says %j', (text) => {
    const { answers, say } = made();
    say(text);
    expect(() => answers.check()).toThrow(LinkLost);
  });

  test.each(['nobody may login: ', 'Password: '])(
    'is gone soon where nothing comes behind %j',
    async (text) => {
      const { answers, say } = made();
      say(text);
      expect(() => answers.check()).not.toThrow();
      const waits = answers.next(() => true, 2000);
      await expect(waits).rejects.toThrow(LinkLost);
    },
  );

  test('is not gone where such words are those of a text', async () => {
    const { answers, say } = made();
    say('nobody may login: ');
    say('here\r\n');
    expect(await answers.next(() => true, 400)).toBeNull();
  });
});

describe('the screen', () => {
  test.each([
    ['web1 \u001b[1mlogin:\u001b[0m ', 'login'],
    ['\u001b[?2004hroot@web1:~# ', 'shell'],
    ['\u001b]3008;start=1\u001b\\$ ', 'shell'],
    ['Passwort: ', 'password'],
    ['Mot de passe : ', 'password'],
    ['[sudo: authenticate] Password: ', 'password'],
    ['web1 login: \r\nPassword: ', 'password'],
    [
      'You are in emergGive root password for maintenance\r\n(or press Control-D to continue): ',
      'maintenance-password',
    ],
    [
      'Enter root password for system maintenance\r\n(or press Control-D to continue): ',
      'maintenance-password',
    ],
    [
      'Press Enter for system maintenance\r\n(or press Control-D to continue): ',
      'maintenance-enter',
    ],
    ['Linux version 6.1.0', 'nothing'],
  ] as const)('%j waits for: %s', (text, waiting) => {
    const screen = new Screen();
    for (const byte of Buffer.from(text, 'latin1')) screen.push(Buffer.from([byte]));
    expect(waitingFor(screen.lastLine, screen.lastLines(25))).toBe(waiting);
  });

  test('keeps the end, and what came after a mark', () => {
    const screen = new Screen();
    screen.push(Buffer.from('x'.repeat(100_000)));
    const { mark } = screen;
    screen.push(Buffer.from('after'));
    expect(screen.since(mark)).toBe('after');
    expect(screen.lastLine.length).toBe(64 * 1024);
  });
});

describe('the recorder', () => {
  const secret = new Secret('Pa55wordWord');

  test.each([1, 2, 3, 5, 12, 100])('masks a secret that comes in pieces of %i', (size) => {
    let file = '';
    const recorder = new Recorder((text) => {
      file += text;
    });
    recorder.hide(secret);
    const text = `login: root\r\nPassword: ${secret.reveal()}\r\nPa55wordW`;
    for (let at = 0; at < text.length; at += size) {
      recorder.record('<', Buffer.from(text.slice(at, at + size)));
    }
    recorder.end();
    const joined = file
      .split('\n')
      .map((line) => (line === '' ? '' : (JSON.parse(line.slice(2)) as string)))
      .join('');
    expect(joined).toContain('login: root');
    expect(joined).toContain('[redacted]');
    expect(joined).not.toMatch(/Pa55|wordWord/);
  });

  test('shows no secret of its own', () => {
    const recorder = new Recorder(() => {});
    recorder.hide(secret);
    recorder.record('<', Buffer.from('Pa55word'));
    const shown = inspect(recorder, { depth: Infinity, showHidden: true });
    expect(shown).not.toMatch(/Pa55/);
  });
});

describe('tmux', () => {
  test('bytes go as keys in hex, output comes back unescaped, of one pane', () => {
    expect(sendKeys('%1', Buffer.from('a\r'))).toEqual(['send-keys -t %1 -H 61 0d']);
    const read = fromControlMode('%1');
    expect(read(Buffer.from('%begin 1\n%output %2 no\n%output %1 a\\015\\01'))).toEqual([]);
    expect(read(Buffer.from('2\\134b\r\n'))).toEqual([Buffer.from('a\r\n\\b')]);
  });
});

describe('presets', () => {
  test('nothing that a person may write becomes an option', () => {
    for (const { name } of presets) {
      for (const text of ['-x', '--force', 'a b', '$(id)', "';id;'", '']) {
        expect(presetAddress(`${name}:${text}`), `${name}:${text}`).toMatchObject({ ok: false });
      }
    }
  });

  test('a command of other words is none', () => {
    expect(presetAddress('virsh console web1')).toBeNull();
    expect(presetAddress('docker://x')).toBeNull();
  });
});
