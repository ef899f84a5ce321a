/** Whose a certificate is, where it is bound to the id of a node: one of its names is that. */
import { type X509Certificate } from 'node:crypto';
import { type IncomingHttpHeaders } from 'node:http';
import { type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { DkvError } from '../../dkv.errors.js';
import { nodeIdIn } from '../messages/introduction.js';

const IMPOSTOR = 'The certificate that was shown is not of';
/** What an operator reads behind a refusal of one. */
export const BINDING_REMEDY =
  'With tls.bindNodeId, give each node a certificate that has its nodeId as a name.';

/** Whether the error is {@link impostorFault}, here or as a peer told it. */
export function isOfImpostor({ code, message }: DkvError): boolean {
  return code === 'DKV_FORBIDDEN' && message.startsWith(IMPOSTOR);
}

/** Whether its common name, or one of its DNS names, is `nodeId`. */
export function isOfNode(certificate: X509Certificate, nodeId: string): boolean {
  const { subject = '', subjectAltName = '' } = certificate;
  const commonNames = subject.split('\n').filter((line) => line.startsWith('CN='));
  // Node puts quotes around a name with a comma in it, which could hold the name of another.
  const others = subjectAltName.includes('"') ? [] : subjectAltName.split(', ');
  return (commonNames.length === 1 && commonNames[0] === `CN=${nodeId}`) || others.includes(`DNS:${nodeId}`);
}

/** Why a caller on `socket` is not the node that it says it is; undefined where it is. */
export function impostorFault(headers: IncomingHttpHeaders, socket: Socket): DkvError | undefined {
  const nodeId = nodeIdIn(headers);
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return nodeId !== undefined && certificate && isOfNode(certificate, nodeId)
    ? undefined
    : new DkvError(
        'DKV_FORBIDDEN',
        `${IMPOSTOR} ${nodeId === undefined ? 'a node that names itself' : `node ${nodeId}`}.`,
      );
}

/** Of a message that says to be of `from`, on the connection of another node. */
export function otherSpeaker(from: string): DkvError {
  return new DkvError('DKV_FORBIDDEN', `A message of node ${from} came on the connection of another node.`);
}
