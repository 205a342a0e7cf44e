// forwarder.js SOCKET HOST PORT: runs in a controller. What comes in on the unix socket, which every
// namespace of this machine sees, goes to HOST, which only the lab does.
import { connect, createServer } from 'node:net';

const [, , socketPath, host, port] = process.argv;

const server = createServer((near) => {
  const far = connect({ host, port: Number(port), noDelay: true });
  near.pipe(far).pipe(near);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.end(() => other.destroy()));
  }
});
server.listen(socketPath, () => console.log('ready'));
