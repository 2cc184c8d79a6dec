/** For streams that may turn out to be unreadable: an error in an event handler would end the process. */
import { errorText } from "./error-text.js";

/** `take`, until it throws: then `broken` is told why, once, and what comes after is let go. */
export function untilBroken<T>(take: (value: T) => void, broken: (why: string) => void): (value: T) => void {
  let isBroken = false;
  return (value) => {
    if (isBroken) return;
    try {
      take(value);
    } catch (error) {
      isBroken = true;
      broken(errorText(error));
    }
  };
}
