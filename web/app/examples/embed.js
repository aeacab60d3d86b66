// embed.html?server=http://localhost:8080&user=alice
// The server must allow this page's origin: parley up --allowed-origins http://localhost:5173
const query = new URLSearchParams(location.search);
const server = query.get("server") ?? "http://localhost:8080";
const user = query.get("user") ?? "alice";

const { define } = await import(`${server}/embed/parley-chat.js`);
define();

const chat = document.querySelector("parley-chat");
chat.setAttribute("url", server);
chat.setAttribute("user", user);

// A real page asks its own server here, which knows who is signed in and makes a token
// for them. This one takes what a Parley for trying things out gives to anybody.
chat.token = async () => {
  const res = await fetch(`${server}/dev/token`, { method: "POST", body: JSON.stringify({ user }) });
  if (!res.ok) throw new Error(`no token: ${res.status}`);
  return (await res.json()).token;
};

document.querySelector("#ask").addEventListener("click", () => chat.open({ peer: "workshop" }));
