/** What a user may be called (PROTOCOL §2). */
export const validUser = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$/.test(name);
