package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script runs one of MongoDB's scripts of an overlay below a folder, in which programs
// of a container are stubs that say how they were called.
func script(t *testing.T, name, host string, secure bool) (said, dir string) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	dir = t.TempDir()
	for _, d := range []string{"bin", "run/mongodb", "run/secrets/mongodb-admin", "run/secrets/tls"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeAll(t, filepath.Join(dir, "run/secrets/mongodb-admin"), map[string]string{"keyfile": "key", "root-password": "canary\n", "parley-password": "p/w"})
	if secure {
		writeAll(t, filepath.Join(dir, "run/secrets/tls"), map[string]string{"tls.crt": "CERT\n", "tls.key": "KEY\n", "ca.crt": "CA\n"})
	}
	for _, program := range []string{"docker-entrypoint.sh", "mongosh"} {
		text := "#!/bin/sh\necho " + program + " \"$@\" root=$MONGO_INITDB_ROOT_USERNAME\n"
		if err := os.WriteFile(filepath.Join(dir, "bin", program), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.ReplaceAll(string(read(t, "deploy/k8s/components/mongodb/"+name)), "/run/", dir+"/run/")
	cmd := exec.CommandContext(t.Context(), bash, "-c", text)
	cmd.Env = []string{"PATH=" + filepath.Join(dir, "bin") + ":/usr/bin:/bin", "HOSTNAME=" + host, "CACHE_GB=1.0"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out), dir
}

// TestMongoStarts: only the first member makes the root user, all have the key file, and
// with a certificate nobody is served without TLS.
func TestMongoStarts(t *testing.T) {
	for _, c := range []struct {
		host   string
		secure bool
	}{{"mongodb-0", false}, {"mongodb-1", true}} {
		said, dir := script(t, "start.sh", c.host, c.secure)
		for part, want := range map[string]bool{
			"docker-entrypoint.sh mongod --replSet rs0": true,
			"--keyFile " + dir + "/run/mongodb/keyfile": true,
			"root=root":            c.host == "mongodb-0",
			"--tlsMode requireTLS": c.secure,
			"--tlsCertificateKeyFile " + dir + "/run/mongodb/server.pem": c.secure,
			"--tlsCAFile " + dir + "/run/secrets/tls/ca.crt":             c.secure,
			"canary": false,
		} {
			if strings.Contains(said, part) != want {
				t.Errorf("%s, TLS %v: %q is %v in %s", c.host, c.secure, part, !want, said)
			}
		}
		info, err := os.Stat(filepath.Join(dir, "run/mongodb/keyfile"))
		if err != nil || info.Mode() != 0o400 {
			t.Errorf("the key file: %v %v", info, err)
		}
		if pem, err := os.ReadFile(filepath.Join(dir, "run/mongodb/server.pem")); c.secure && (err != nil || string(pem) != "CERT\nKEY\n") {
			t.Errorf("certificate and key: %q %v", pem, err)
		}
	}
}

func TestMongoIsAsked(t *testing.T) {
	if said, _ := script(t, "ready.sh", "mongodb-2", false); strings.Contains(said, "--tls") || !strings.Contains(said, "mongosh --quiet --eval") {
		t.Error(said)
	}
	if said, _ := script(t, "ready.sh", "mongodb-2", true); !strings.Contains(said, "--tls --tlsCAFile") || !strings.Contains(said, "--host mongodb-2.mongodb") {
		t.Error(said)
	}
}

// stub is as much of mongosh as init.js uses; it prints what is asked of the server.
// As mongosh does, it throws what a server refuses: a document with ok: 0 is never returned.
const stub = `
const refusals = { replSetGetStatus: REFUSAL };
class Mongo {
  constructor(uri) { console.log("connect", uri); }
  getDB(name) {
    return {
      runCommand(c) {
        console.log(name, JSON.stringify(c));
        const codeName = refusals[Object.keys(c)[0]];
        if (codeName) throw Object.assign(new Error("refused"), { codeName });
        return { ok: 1 };
      },
      getUser() { return USER; },
      createUser(u) { console.log("create", name, JSON.stringify(u)); },
      updateUser(n, u) { console.log("update", name, n, JSON.stringify(u)); },
    };
  }
}
`

// initScript runs init.js in a folder with its secrets; refusal is what the first member
// says to replSetGetStatus (a codeName, in quotes), user what it has of a user before.
func initScript(t *testing.T, secure bool, refusal, user string) (string, error) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"mongodb-admin", "tls"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeAll(t, filepath.Join(dir, "mongodb-admin"), map[string]string{"root-password": "r@t\n", "parley-password": "p/w\n"})
	if secure {
		writeAll(t, filepath.Join(dir, "tls"), map[string]string{"ca.crt": "CA"})
	}
	text := strings.ReplaceAll(string(read(t, "deploy/k8s/components/mongodb/init.js")), "/run/secrets", dir)
	writeAll(t, dir, map[string]string{"init.cjs": strings.NewReplacer("REFUSAL", refusal, "USER", user).Replace(stub) + text})
	out, err := exec.CommandContext(t.Context(), node, filepath.Join(dir, "init.cjs")).CombinedOutput()
	return string(out), err
}

// TestMongoInit: three members that hold data, and a user who may read and write one
// database and has no other role.
func TestMongoInit(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for user, want := range map[string]string{
			"null": `create parley {"user":"parley","pwd":"p/w","roles":[{"role":"readWrite","db":"parley"}]}`,
			"{}":   `update parley parley {"pwd":"p/w","roles":[{"role":"readWrite","db":"parley"}]}`,
		} {
			said, err := initScript(t, secure, `"NotYetInitialized"`, user)
			if err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if !strings.Contains(said, want) || strings.Contains(said, "arbiterOnly") || strings.Count(said, `"host":"mongodb-`) != 3 ||
				!strings.Contains(said, "root:r%40t@mongodb-0.mongodb:27017") || strings.Count(said, "&tls=true&tlsCAFile=") != map[bool]int{true: 2}[secure] {
				t.Errorf("TLS %v: %s", secure, said)
			}
		}
	}
}

// TestMongoInitAgain: a set that is there is not begun again, and what the first member
// refuses for another reason is an error, after which the Job tries again.
func TestMongoInitAgain(t *testing.T) {
	if said, err := initScript(t, true, "null", "{}"); err != nil || strings.Contains(said, "replSetInitiate") || !strings.Contains(said, "update parley parley") {
		t.Errorf("again: %v %s", err, said)
	}
	if said, err := initScript(t, true, `"Unauthorized"`, "null"); err == nil || strings.Contains(said, "replSetInitiate") || strings.Contains(said, "create parley") {
		t.Errorf("not allowed: %v %s", err, said)
	}
}
