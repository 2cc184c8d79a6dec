/** Groups as ovs-ofctl takes them (add-groups) and prints them (dump-groups); ovs-ofctl(8), "Group Syntax". */
import { isKnown, type KnownField, type Match } from "../fields/match.js";
import { rowOf } from "../fields/table.js";
import { group as reserved } from "../messages/flow.js";
import { groupMod, type Bucket, type GroupDesc, type GroupMod, type GroupProperty } from "../messages/group.js";
import { parseAction } from "./action-parse.js";
import { contextOf, printActions, type ActionOptions } from "./action-text.js";
import { textOf } from "./field-names.js";
import { bigNumber, entry, fail, indexOf, items, number, part, trimmed, valueOf, whole, type Item, type Span } from "./scan.js";
import { parseField } from "./subfield-text.js";
import { ones, parsePort, parseValue, printPort, printValue } from "./value-text.js";

const types = ["all", "select", "indirect", "ff"] as const;
const none = 0xffffffff;
const bucketIds = { all: 0xffffffff, first: 0xfffffffd, last: 0xfffffffe } as const;
/** The words before the group in a file for add-groups. */
const commandWords = { add: "add", modify: "modify", delete: "delete", insertBucket: "insert_bucket", removeBucket: "remove_bucket" } as const satisfies Record<GroupMod["command"], string>;
const commands = new Map(Object.entries(commandWords).map(([command, word]) => [word as string, command as GroupMod["command"]]));

type Selection = Extract<GroupProperty, { readonly type: "selectionMethod" }>;

const printId = (id: number): string => Object.entries(bucketIds).find(([, value]) => value === id)?.[0] ?? String(id);

function printBucket(bucket: Bucket, isSelect: boolean): string {
  const parts: string[] = [];
  if (bucket.bucketId !== undefined) parts.push(`bucket_id:${bucket.bucketId}`);
  // A select group's bucket weighs 1 unless told.
  if (bucket.weight !== (isSelect ? 1 : 0)) parts.push(`weight:${bucket.weight}`);
  if (bucket.watchPort !== none) parts.push(`watch_port:${printPort(bucket.watchPort)}`);
  if (bucket.watchGroup !== none) parts.push(`watch_group:${bucket.watchGroup}`);
  return `bucket=${[...parts, `actions=${printActions(bucket.actions)}`].join(",")}`;
}

/** Fields with the bits that are hashed; the whole field has no mask. */
function printFields(fields: Match): string {
  const one = ({ name, value }: KnownField): string => (value === ones(rowOf(name).bits) ? textOf(name).text : `${textOf(name).text}=${printValue(textOf(name).format, { value })}`);
  return fields.filter(isKnown).map(one).join(",");
}
function printSelection({ method, param, fields }: Selection): string[] {
  return [`selection_method=${method}`, ...(param === 0n ? [] : [`selection_method_param=${param}`]), ...(fields.length === 0 ? [] : [fields.length === 1 ? `fields=${printFields(fields)}` : `fields(${printFields(fields)})`])];
}

/** A group-mod as a line for "ovs-ofctl add-groups", of other commands with the command's word; a switch's group as "dump-groups" prints it. */
export function printGroup(group: GroupMod | GroupDesc): string {
  const command = "command" in group ? group.command : undefined;
  const id = group.groupId === reserved.all ? "all" : String(group.groupId);
  const parts = [`group_id=${id}`];
  const isWhole = command === undefined || command === "add" || command === "modify";
  if (isWhole) parts.push(`type=${group.groupType}`);
  if ((command === "insertBucket" || command === "removeBucket") && "commandBucketId" in group) parts.push(`command_bucket_id=${printId(group.commandBucketId ?? none)}`);
  if (isWhole) for (const one of group.properties ?? []) if (one.type === "selectionMethod") parts.push(...printSelection(one));
  const isSelect = group.groupType === "select" || command === "insertBucket";
  parts.push(...group.buckets.map((bucket) => printBucket(bucket, isSelect)));
  return `${command === undefined || command === "add" ? "" : `${commandWords[command]} `}${parts.join(",")}`;
}

export interface GroupParseOptions extends Omit<ActionOptions, "match"> {
  /** The command where the text has none before the group. */
  readonly command?: GroupMod["command"];
}

/** The words of a bucket before its actions, and what stands behind: actions with or without "actions=". */
function parseBucket(of: Span, isSelect: boolean, options: GroupParseOptions): Bucket {
  const bucket = { weight: isSelect ? 1 : 0, watchPort: none, watchGroup: none };
  const context = contextOf(options);
  let bucketId: number | undefined;
  const actions: Bucket["actions"][number][] = [];
  const word = (item: Item): boolean => {
    switch (item.key.text) {
      case "weight":
        bucket.weight = number(valueOf(item), 16);
        return true;
      case "watch_port":
        bucket.watchPort = parsePort(valueOf(item), options.ports);
        return true;
      case "watch_group":
        bucket.watchGroup = number(valueOf(item), 32);
        return true;
      case "bucket_id":
        bucketId = number(valueOf(item), 32);
        return true;
      default:
        return false;
    }
  };
  const marked = /(^|[\s,])actions?\s*=/.exec(of.text);
  const [head, tail] = marked === null ? [of, undefined] : [part(of, 0, marked.index), part(of, marked.index + marked[0].length)];
  for (const item of [...items(head), ...(tail === undefined ? [] : items(tail))]) if (!word(item)) actions.push(...(parseAction(item, context) ?? fail("an action or a property of a bucket", item.key)));
  return { ...bucket, actions, ...(bucketId === undefined ? {} : { bucketId }) };
}

/** Fields that are hashed; a value is the mask. */
function parseFields(of: Span, options: GroupParseOptions): Match {
  return items(of).map((item): KnownField => {
    const row = parseField(item.key);
    return { name: row.name, value: item.value === undefined ? ones(rowOf(row.name).bits) : parseValue(valueOf(item), row, options.ports).value };
  });
}

interface Head {
  groupId: number | undefined;
  groupType: GroupMod["groupType"] | undefined;
  commandBucketId: number | undefined;
  method: Selection | undefined;
}
function parseHead(of: Span, options: GroupParseOptions): Head {
  const head: Head = { groupId: undefined, groupType: undefined, commandBucketId: undefined, method: undefined };
  const method = (change: Partial<Selection>): void => void (head.method = { ...(head.method ?? { type: "selectionMethod", method: "", param: 0n, fields: [] }), ...change });
  const readers: Readonly<Record<string, (item: Item) => void>> = {
    group_id: (item) => (head.groupId = trimmed(valueOf(item)).text === "all" ? reserved.all : number(valueOf(item), 32)),
    type: (item) => (head.groupType = trimmed(valueOf(item)).text === "fast_failover" ? "ff" : types[indexOf(valueOf(item), types)]),
    command_bucket_id: (item) => (head.commandBucketId = entry(bucketIds, trimmed(valueOf(item)).text) ?? number(valueOf(item), 32, "all, first, last or the number of a bucket")),
    selection_method: (item) => method({ method: /^.{1,15}$/.test(valueOf(item).text) ? valueOf(item).text : fail("a name of at most 15 characters", valueOf(item)) }),
    selection_method_param: (item) => method({ param: bigNumber(valueOf(item), 64) }),
    fields: (item) => method({ fields: parseFields(valueOf(item), options) }),
  };
  for (const item of items(of)) (entry(readers, item.key.text) ?? fail("a property of a group", item.key))(item);
  if (head.method?.method === "") fail("selection_method=", part(of, of.text.length));
  return head;
}

function parseBody(of: Span, options: GroupParseOptions, isInsert: boolean) {
  const starts = [...of.text.matchAll(/(^|[\s,])buckets?\s*=/g)];
  const ends = [...starts.map(({ index }) => index), of.text.length];
  const head = parseHead(part(of, 0, ends[0]), options);
  const isSelect = head.groupType === "select" || isInsert;
  const buckets = starts.map(({ index, 0: mark }, i) => parseBucket(part(of, index + mark.length, ends[i + 1]), isSelect, options));
  return { ...head, buckets };
}

/**
 * Reads a group as "ovs-ofctl add-groups" takes it; the word of a command may stand before it. For 1.5 its buckets are numbered
 * in their order where they have no number. TextError for what is none.
 */
export function parseGroup(text: string, options: GroupParseOptions = {}): GroupMod {
  const of = trimmed(whole(text));
  const word = /^[a-z_]+(?=\s|$)/.exec(of.text)?.[0];
  const named = word === undefined ? undefined : commands.get(word);
  const command = named ?? options.command ?? "add";
  const { groupId, groupType, commandBucketId, method, buckets } = parseBody(named === undefined ? of : part(of, word?.length ?? 0), options, command === "insertBucket");
  const isWhole = command === "add" || command === "modify";
  if (isWhole && groupType === undefined) fail("type=", part(of, of.text.length));
  if (groupId === undefined && command !== "delete") fail("group_id=", part(of, of.text.length));
  const isV15 = (options.version ?? 5) >= 6;
  return groupMod({
    command,
    groupType: groupType ?? "all",
    groupId: groupId ?? reserved.all,
    buckets: isV15 ? buckets.map((bucket, i) => ({ ...bucket, bucketId: bucket.bucketId ?? i })) : buckets,
    ...(isV15 ? { commandBucketId: commandBucketId ?? bucketIds.all } : commandBucketId === undefined ? {} : { commandBucketId }),
    ...(method === undefined ? {} : { properties: [method] }),
  });
}

/** Reads a group as "ovs-ofctl dump-groups" prints it. TextError for what is none. */
export function parseGroupDesc(line: string, options: Omit<GroupParseOptions, "command"> = {}): GroupDesc {
  const of = trimmed(whole(line));
  const { groupId, groupType, method, buckets } = parseBody(of, options, false);
  return {
    groupId: groupId ?? fail("group_id=", part(of, of.text.length)),
    groupType: groupType ?? fail("type=", part(of, of.text.length)),
    buckets,
    ...(method === undefined ? {} : { properties: [method] }),
  };
}
