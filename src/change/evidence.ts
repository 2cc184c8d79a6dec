/**
 * Which packets of a trial belong to real conversations, judged by what was seen of them, not by their addresses. Pure.
 *
 * A conversation counts as benign when both sides speak: a TCP connection whose client answered the server's answer (a
 * spoofed source can't), or any exchange with packets in both directions. One-way traffic counts as benign when it was
 * there before the alarm. Everything else that goes to the victim is taken for attack.
 */

import { streamKey } from "../telemetry/streams.js";

/** What the judgement needs of a packet. Addresses as text; ports 0 where the protocol has none. */
export interface SeenPacket {
  readonly src: string;
  readonly dst: string;
  /** IP protocol number. */
  readonly protocol: number;
  readonly srcPort: number;
  readonly dstPort: number;
  /** TCP flags, low 8 bits; 0 for other protocols. */
  readonly tcpFlags: number;
}

const tcp = 6;
const ack = 0x10;

interface Conversation {
  /** Packets from the side that sorts first, and from the other. */
  readonly packets: [number, number];
  /** TCP packets with ACK from each side. */
  readonly acks: [number, number];
}

/** Both directions of a conversation have one key. */
export function conversationKey(packet: SeenPacket): { readonly key: string; readonly side: 0 | 1 } {
  const from = `${packet.src},${packet.srcPort}`;
  const to = `${packet.dst},${packet.dstPort}`;
  return from < to ? { key: `${packet.protocol} ${from} ${to}`, side: 0 } : { key: `${packet.protocol} ${to} ${from}`, side: 1 };
}

export interface Composition {
  /** Packets to the victim that are benign, and that are not. */
  readonly benign: number;
  readonly attack: number;
  readonly benignConversations: number;
}

/** Conversations seen in a trial, bounded: beyond `limit` new ones are counted as `overflow` and judged one-way. */
export class ConversationTable {
  overflow = 0;
  private readonly limit: number;
  private readonly conversations = new Map<string, Conversation>();

  constructor(limit = 200_000) {
    this.limit = limit;
  }

  add(packet: SeenPacket): void {
    const { key, side } = conversationKey(packet);
    let seen = this.conversations.get(key);
    if (seen === undefined) {
      if (this.conversations.size >= this.limit) {
        this.overflow++;
        return;
      }
      seen = { packets: [0, 0], acks: [0, 0] };
      this.conversations.set(key, seen);
    }
    seen.packets[side]++;
    if (packet.protocol === tcp && (packet.tcpFlags & ack) !== 0) seen.acks[side]++;
  }

  /** Whether both sides of the packet's conversation spoke as parties to one do. */
  isConversation(packet: SeenPacket): boolean {
    const { key } = conversationKey(packet);
    const seen = this.conversations.get(key);
    if (seen === undefined || seen.packets[0] === 0 || seen.packets[1] === 0) return false;
    // A SYN-ACK to a spoofed source is an answer, too; only the third packet shows that somebody is there.
    return packet.protocol !== tcp || (seen.acks[0] > 0 && seen.acks[1] > 0);
  }
}

/** Judges the packets of `packets` that go to `victim`. `before`: streams (see streamKey) that were there before the alarm. */
export function compose(packets: Iterable<SeenPacket>, table: ConversationTable, victim: string, before: ReadonlySet<string>): Composition {
  let benign = 0;
  let attack = 0;
  const conversations = new Set<string>();
  for (const packet of packets) {
    if (packet.dst !== victim) continue;
    if (table.isConversation(packet) || (packet.protocol !== tcp && before.has(streamKey(packet)))) {
      benign++;
      conversations.add(conversationKey(packet).key);
    } else attack++;
  }
  return { benign, attack, benignConversations: conversations.size };
}
