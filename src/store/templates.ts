import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';

// dist/store and src/store lie equally deep.
const folder = fileURLToPath(new URL('../../templates', import.meta.url));

/**
 * Renders `templates/NAME.hbs`: the text of a file that is placed on a host. Nothing is escaped for
 * HTML, and a value that is missing is an error, never an empty place.
 *
 * @throws Error for a template or a value that is not there.
 */
export function renderTemplateFile(name: string, values: Readonly<Record<string, string>>): string {
  const text = readFileSync(`${folder}/${name}.hbs`, 'utf8');
  return Handlebars.compile(text, { noEscape: true, strict: true })(values);
}
