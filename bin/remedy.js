#!/usr/bin/env node
import { existsSync } from 'node:fs';

const entry = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(entry)) {
  await import(entry.href);
} else {
  process.stderr.write(
    'remedy is not built yet. No host was contacted.\nTo build it, run:\n    npm ci && npm run build\n',
  );
  process.exitCode = 1;
}
