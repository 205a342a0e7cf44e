#!/usr/bin/env node
// The OpenSSH client starts this as its SSH_ASKPASS: it hands the question to the remedy that started
// the client, over a private socket, and prints the answer. It knows and keeps nothing itself.
import { connect } from 'node:net';

const socket = connect(process.env.REMEDY_ASKPASS_SOCKET ?? '');
const question = {
  prompt: process.argv[2] ?? '',
  kind: process.env.SSH_ASKPASS_PROMPT ?? '',
  parent: process.ppid,
};
let reply = '';
socket.setEncoding('utf8');
socket.on('error', () => undefined);
socket.on('data', (text) => {
  reply += text;
});
socket.on('close', () => {
  if (reply.startsWith('+') && reply.endsWith('\n')) {
    process.stdout.write(reply.slice(1));
  } else {
    process.exitCode = 1;
  }
});
socket.write(`${JSON.stringify(question)}\n`);
