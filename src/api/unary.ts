/** Unary handlers from functions. */
import { status, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { errorText } from "../base/error-text.js";
import { InvalidArgument } from "./convert.js";

/** What `work` throws becomes the call's status: INVALID_ARGUMENT for what the request has wrong, INTERNAL for the rest. */
export function unary<Request, Response>(work: (request: Request) => Response | Promise<Response>) {
  return (call: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>): void => {
    Promise.resolve()
      .then(() => work(call.request))
      .then(
        (response) => reply(null, response),
        (error: unknown) => {
          const isBad = error instanceof InvalidArgument || error instanceof RangeError;
          reply({ code: isBad ? status.INVALID_ARGUMENT : status.INTERNAL, details: errorText(error) });
        },
      );
  };
}
