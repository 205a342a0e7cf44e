// Skips all tests of a file, and their hooks, where hosts cannot be booted.
import { inject, TestRunner } from 'vitest';

const noName = /$^/;

export default class HostsRunner extends TestRunner {
  constructor(config) {
    const skip = inject('hostsMissing') !== undefined;
    super(skip ? { ...config, testNamePattern: noName } : config);
  }
}
