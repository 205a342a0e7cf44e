import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';

/**
 * Our own address on the way to a host, as the system's routing table has it; null where there is no
 * way. No packet is sent to the host: connecting a UDP socket only picks a route. Behind a NAT the
 * host sees another address, so a caller treats this one as assumed.
 */
export async function sourceAddress(host: string, timeoutMs = 5000): Promise<string | null> {
  const timer = AbortSignal.timeout(timeoutMs);
  const stopped = new Promise<null>((resolve) => {
    timer.addEventListener('abort', () => resolve(null), { once: true });
  });
  const found = await Promise.race([lookup(host).catch(() => null), stopped]);
  if (found === null) {
    return null;
  }
  return new Promise((resolve) => {
    const socket = createSocket(found.family === 6 ? 'udp6' : 'udp4');
    const settle = (address: string | null): void => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => settle(null));
    // Port 9 is the discard service; any port would do, nothing is sent.
    socket.connect(9, found.address, () => settle(socket.address().address.replace(/%.*$/, '')));
  });
}
