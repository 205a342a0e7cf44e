import type { Command } from 'commander';

/** The flags that name a route. */
export type RouteFlag = 'via' | 'exec' | 'console' | 'local';

const routeFlags: readonly RouteFlag[] = ['via', 'exec', 'console', 'local'];

/** Notes in which order the flags of routes are given; commander keeps each flag's values apart. */
export function noteRouteOrder(command: Command): Command {
  const order: RouteFlag[] = [];
  command.setOptionValue('routeOrder', order);
  for (const flag of routeFlags) {
    command.on(`option:${flag}`, () => order.push(flag));
  }
  return command;
}

/** Puts the routes of each flag into the order that the flags were given in. */
export function inGivenOrder<T>(
  order: readonly RouteFlag[],
  routes: Readonly<Record<RouteFlag, readonly T[]>>,
): T[] {
  const left = new Map(routeFlags.map((flag) => [flag, [...routes[flag]]]));
  const given = order.flatMap((flag) => left.get(flag)?.splice(0, 1) ?? []);
  return [...given, ...[...left.values()].flat()];
}
