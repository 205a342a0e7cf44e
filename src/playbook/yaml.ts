import { Composer, LineCounter, Parser, visit, type CST, type Document, type Node } from 'yaml';
import type { Diagnostic } from '../core/diagnostic.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { problem, type ProblemText } from './problem.ts';
import { openSource, rangeLocation, type Source } from './source.ts';

/** The largest text that is read, in bytes. */
export const maxBytes = 256 * 1024;

const maxDepth = 32;
const maxItems = 1000;

// Not needed in any playbook, and able to make a text look other than it is (CVE-2021-42574).
const hidden =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\r(?!\n)/gu;

/** A text that was read as YAML: plain data and a way back to the lines. */
export interface YamlText {
  readonly data: unknown;
  readonly source: Source;
  /** Problems that leave the rest readable, as a key given twice. */
  readonly problems: readonly Diagnostic[];
}

interface Reading {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
}

/** Reads one YAML 1.2 document without aliases, tags or directives. Finds every problem it can. */
export function readYaml(rawText: string, file: string): Result<YamlText, Diagnostic[]> {
  const text = rawText.replace(/^\ufeff/, '');
  const reading: Reading = { file, text, lines: new LineCounter() };
  const tooLarge = checkSize(reading);
  if (tooLarge !== null) {
    return fail([tooLarge]);
  }
  const tokens = [...new Parser(reading.lines.addNewLine).parse(text)];
  const problems = [...findHidden(reading), ...findDepth(reading, tokens)];
  if (problems.length > 0) {
    return fail(problems);
  }
  return compose(reading, tokens);
}

function compose(reading: Reading, tokens: CST.Token[]): Result<YamlText, Diagnostic[]> {
  const composer = new Composer({
    stringKeys: true,
    merge: false,
    resolveKnownTags: false,
    logLevel: 'silent',
  });
  const documents = [...composer.compose(tokens, true, reading.text.length)];
  const document = documents[0] as Document;
  const fatal = [
    ...documents.slice(1).map((extra) => secondDocument(reading, extra)),
    ...directives(reading, document),
    ...syntaxErrors(reading, document),
    ...aliases(reading, document),
  ];
  if (fatal.length > 0) {
    return fail(fatal);
  }
  return ok({
    data: document.toJS({ maxAliasCount: 0 }) as unknown,
    source: openSource(reading, document),
    problems: duplicateKeys(reading, document),
  });
}

function checkSize(reading: Reading): Diagnostic | null {
  if (reading.text.length <= maxBytes && Buffer.byteLength(reading.text) <= maxBytes) {
    return null;
  }
  const detail = `A playbook may have ${maxBytes / 1024} KiB; this file has more, and was not read.`;
  const location = { file: reading.file, line: 1, column: 1, length: 1, lineText: null };
  return problem({ code: 'too-large', summary: 'File too large', detail }, location);
}

function findHidden(reading: Reading): Diagnostic[] {
  return [...reading.text.matchAll(hidden)].slice(0, 10).map((match) => {
    const code = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    const detail = `The character U+${code} is not visible, or changes how the line looks. Remove it.`;
    return at(reading, [match.index, match.index + 1], {
      code: 'hidden-character',
      summary: 'Hidden character',
      detail,
    });
  });
}

/** Walks without recursion: the composer recurses, and running out of stack there ends the process. */
function findDepth(reading: Reading, tokens: readonly CST.Token[]): Diagnostic[] {
  const waiting: { readonly token: CST.Token; readonly depth: number }[] = tokens.map((token) => ({
    token,
    depth: 0,
  }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { token, depth } = next;
    const items = 'items' in token ? token.items : [];
    if (depth > maxDepth || items.length > maxItems) {
      const detail = `At most ${maxDepth} levels and ${maxItems} entries are read.`;
      return [
        at(reading, [token.offset, token.offset + 1], {
          code: 'too-large',
          summary: 'Too deep or too long',
          detail,
        }),
      ];
    }
    for (const item of items) {
      waiting.push(
        ...[item.key, item.value].flatMap((child) =>
          child ? [{ token: child, depth: depth + 1 }] : [],
        ),
      );
    }
    if (token.type === 'document' && token.value) {
      waiting.push({ token: token.value, depth: depth + 1 });
    }
  }
  return [];
}

function secondDocument(reading: Reading, document: Document): Diagnostic {
  const detail =
    'A playbook is one YAML document; a second one begins here. Put it into a file of its own.';
  const start = document.contents?.range?.[0] ?? document.range?.[0] ?? 0;
  return at(reading, [start, start + 1], {
    code: 'several-documents',
    summary: 'More than one document',
    detail,
  });
}

function directives(reading: Reading, document: Document): Diagnostic[] {
  const start = reading.text.search(/^%/m);
  if (start === -1 || !(document.directives?.yaml.explicit || start === 0)) {
    return [];
  }
  const detail =
    'Playbooks are YAML 1.2 without directives: a directive could change what «yes» or «010» means.';
  const end = `${reading.text}\n`.indexOf('\n', start);
  return [at(reading, [start, end], { code: 'yaml-directive', summary: 'YAML directive', detail })];
}

function syntaxErrors(reading: Reading, document: Document): Diagnostic[] {
  const found = [...document.errors, ...document.warnings].filter(
    ({ code }) => code !== 'DUPLICATE_KEY',
  );
  return found
    .slice(0, 20)
    .map(({ message, pos }) =>
      at(reading, pos, { code: 'yaml-syntax', summary: 'Invalid YAML', detail: sentence(message) }),
    );
}

function duplicateKeys(reading: Reading, document: Document): Diagnostic[] {
  const found: Diagnostic[] = [];
  const starts = new Set(
    document.errors.filter(({ code }) => code === 'DUPLICATE_KEY').map(({ pos }) => pos[0]),
  );
  visit(document, {
    Pair(_, pair) {
      const range = (pair.key as Node | null)?.range;
      if (range && starts.has(range[0])) {
        const detail = `The key «${reading.text.slice(range[0], range[1])}» is given twice here; only one of them would count.`;
        found.push(
          at(reading, [range[0], range[1]], {
            code: 'duplicate-key',
            summary: 'Key given twice',
            detail,
          }),
        );
      }
    },
  });
  return found;
}

function aliases(reading: Reading, document: Document): Diagnostic[] {
  const found: Diagnostic[] = [];
  visit(document, {
    Alias(_, { range }) {
      const detail =
        'Playbooks have no anchors and aliases: write the value where it is used, or make it a variable.';
      if (range && found.length < 10) {
        found.push(
          at(reading, [range[0], range[1]], { code: 'yaml-alias', summary: 'YAML alias', detail }),
        );
      }
    },
  });
  return found;
}

function at(reading: Reading, range: readonly [number, number], text: ProblemText): Diagnostic {
  return problem(text, rangeLocation(reading, range[0], range[1]));
}

function sentence(message: string): string {
  const text = message.replace(/ at line \d+.*$/s, '');
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
