/** What was thrown, in words: an error's message, or what else it was as text. */
export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
