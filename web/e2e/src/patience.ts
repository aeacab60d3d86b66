/**
 * How long a wait for something may last that only a defect keeps from happening, in
 * ms: the machine may stand still for seconds, and a client that lost its server comes
 * back after up to 30 s.
 */
export const patience = 60_000;
