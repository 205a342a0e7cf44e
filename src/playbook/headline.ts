import { isMap, isScalar, parseDocument } from 'yaml';

/** What a list of playbooks shows. */
export interface Headline {
  readonly name: string;
  readonly summary: string;
}

// A key at the left margin with the indented lines that belong to its value.
const entry = /^(?:name|summary)[ \t]*:.*(?:\r?\n[ \t]+.*){0,8}/gm;
const longestHead = 1000;

/**
 * Reads a playbook's name and summary without looking at the rest, or null where they are not
 * there. Imports neither the schema nor the languages of conditions and templates.
 */
export function readHeadline(text: string): Headline | null {
  const head = (text.replace(/^\ufeff/, '').match(entry) ?? []).join('\n');
  const document = head.length > longestHead ? null : parseDocument(head, { logLevel: 'silent' });
  const root = document?.contents;
  if (!isMap(root)) {
    return null;
  }
  const read = (key: string): string | null => {
    const value = root.items.find((pair) => isScalar(pair.key) && pair.key.value === key)?.value;
    return isScalar(value) && typeof value.value === 'string' ? value.value : null;
  };
  const name = read('name');
  const summary = read('summary');
  return name === null || summary === null ? null : { name, summary };
}
