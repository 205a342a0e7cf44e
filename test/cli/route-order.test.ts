import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { inGivenOrder, noteRouteOrder, type RouteFlag } from '../../src/cli/route-order.ts';

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function routesOf(words: readonly string[]): string[] {
  const command = noteRouteOrder(new Command())
    .option('--via <address>', '', collect, [])
    .option('--exec <command>', '', collect, [])
    .option('--console <console>', '', collect, [])
    .option('--local', '', false);
  command.parse(words, { from: 'user' });
  const {
    via,
    exec,
    console: consoles,
    local,
    routeOrder,
  } = command.opts<{
    via: string[];
    exec: string[];
    console: string[];
    local: boolean;
    routeOrder: RouteFlag[];
  }>();
  return inGivenOrder(routeOrder, { via, exec, console: consoles, local: local ? ['here'] : [] });
}

describe('the order of routes', () => {
  it.each([
    [[], []],
    [
      ['--exec', 'e', '--via', 'v'],
      ['e', 'v'],
    ],
    [
      ['--via=v1', '--local', '--exec=e1', '--console=c', '--via=v2', '--exec', 'e2'],
      ['v1', 'here', 'e1', 'c', 'v2', 'e2'],
    ],
  ])('%j', (words, routes) => {
    expect(routesOf(words)).toEqual(routes);
  });

  it('is by kind where nobody noted it, as in receipts of old', () => {
    expect(
      inGivenOrder([], { via: ['v1', 'v2'], exec: ['e'], console: ['c'], local: ['here'] }),
    ).toEqual(['v1', 'v2', 'e', 'c', 'here']);
  });
});
