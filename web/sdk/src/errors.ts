import type { ErrorCode, ParleyErrorShape } from "./api.js";

/** What promises of this package are rejected with. */
export class ParleyError extends Error implements ParleyErrorShape {
  override readonly name = "ParleyError";
  readonly code: ErrorCode;
  readonly retry_after_ms?: number | undefined;

  constructor(code: ErrorCode, message: string, retryAfterMS?: number) {
    super(message);
    this.code = code;
    this.retry_after_ms = retryAfterMS;
  }
}

/**
 * Codes that leave it open what happened, or ask to come back later: the same is
 * asked again. All others are final.
 */
export function repeatable(code: ErrorCode): boolean {
  return code === "unavailable" || code === "internal" || code === "rate_limited";
}
