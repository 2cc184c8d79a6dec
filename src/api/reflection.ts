/** Server reflection (grpc.reflection.v1 and v1alpha) from the descriptor set that buf builds. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema, type DescriptorProto, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { status, type ServerDuplexStream, type ServiceDefinition, type UntypedServiceImplementation } from "@grpc/grpc-js";

interface Request {
  readonly bytes: Uint8Array;
  readonly kind: "file" | "symbol" | "list" | "other";
  readonly name: string;
}

/** ServerReflectionRequest: file_by_filename = 3, file_containing_symbol = 4, list_services = 7. */
function decode(bytes: Buffer): Request {
  const from = new BinaryReader(bytes);
  let kind: Request["kind"] = "other";
  let name = "";
  while (from.pos < from.len) {
    const [field, wireType] = from.tag();
    if (field === 3 || field === 4 || field === 7) {
      kind = field === 3 ? "file" : field === 4 ? "symbol" : "list";
      name = from.string();
    } else from.skip(wireType);
  }
  return { bytes, kind, name };
}

type Answer = { readonly files: readonly Uint8Array[] } | { readonly services: readonly string[] } | { readonly error: string };

/** ServerReflectionResponse: original_request = 2, file_descriptor_response = 4, list_services_response = 6, error_response = 7. */
function encode({ request, answer }: { readonly request: Request; readonly answer: Answer }): Buffer {
  const out = new BinaryWriter();
  out.tag(2, 2).bytes(request.bytes);
  if ("files" in answer) {
    out.tag(4, 2).fork();
    for (const file of answer.files) out.tag(1, 2).bytes(file);
    out.join();
  } else if ("services" in answer) {
    out.tag(6, 2).fork();
    for (const name of answer.services) out.tag(1, 2).fork().tag(1, 2).string(name).join();
    out.join();
  } else out.tag(7, 2).fork().tag(1, 0).int32(status.NOT_FOUND).tag(2, 2).string(answer.error).join();
  return Buffer.from(out.finish());
}

function symbolsOf(file: FileDescriptorProto): string[] {
  const prefix = file.package === "" ? "" : `${file.package}.`;
  const messages = (at: string, list: readonly DescriptorProto[]): string[] =>
    list.flatMap((message) => [`${at}${message.name}`, ...messages(`${at}${message.name}.`, message.nestedType), ...message.enumType.map((one) => `${at}${message.name}.${one.name}`)]);
  return [
    ...messages(prefix, file.messageType),
    ...file.enumType.map((one) => `${prefix}${one.name}`),
    ...file.service.flatMap((service) => [`${prefix}${service.name}`, ...service.method.map((method) => `${prefix}${service.name}.${method.name}`)]),
  ];
}

/** The reflection services for a descriptor set; register each with the server. */
export function reflectionServices(descriptorSet: Uint8Array): { readonly definition: ServiceDefinition; readonly implementation: UntypedServiceImplementation }[] {
  const files = new Map(fromBinary(FileDescriptorSetSchema, descriptorSet).file.map((file) => [file.name, file]));
  const fileOf = new Map([...files.values()].flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file] as const)));
  const services = [...files.values()].flatMap((file) => file.service.map((service) => `${file.package}.${service.name}`));
  const closure = (file: FileDescriptorProto, seen = new Set<string>()): FileDescriptorProto[] => {
    if (seen.has(file.name)) return [];
    seen.add(file.name);
    return [file, ...file.dependency.flatMap((name) => (files.has(name) ? closure(files.get(name) as FileDescriptorProto, seen) : []))];
  };
  const answer = (request: Request): Answer => {
    if (request.kind === "list") return { services };
    const file = request.kind === "file" ? files.get(request.name) : fileOf.get(request.name);
    if (file === undefined) return { error: `${request.name || "request"} is not known here` };
    return { files: closure(file).map((one) => toBinary(FileDescriptorProtoSchema, one)) };
  };
  return ["grpc.reflection.v1", "grpc.reflection.v1alpha"].map((name) => ({
    definition: {
      ServerReflectionInfo: {
        path: `/${name}.ServerReflection/ServerReflectionInfo`,
        requestStream: true,
        responseStream: true,
        requestSerialize: (request: Request) => Buffer.from(request.bytes),
        requestDeserialize: decode,
        responseSerialize: encode,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    implementation: {
      ServerReflectionInfo: (call: ServerDuplexStream<Request, { request: Request; answer: Answer }>) => {
        call.on("data", (request: Request) => call.write({ request, answer: answer(request) }));
        call.on("end", () => call.end());
        call.on("error", () => undefined);
      },
    },
  }));
}
