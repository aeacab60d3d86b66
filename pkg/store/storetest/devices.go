package storetest

import (
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var deviceTests = []test{
	{"touch and list", deviceTouch},
	{"drop", deviceDrop},
	{"drop what is not there", deviceDropNothing},
}

func (f *fixture) sameDevices(user chat.User, want ...store.DeviceInfo) {
	f.Helper()
	got, err := f.Devices(f.ctx, f.ns, user)
	f.ok("devices", err)
	for i := range got {
		got[i].Seen = f.utc(got[i].Seen)
	}
	byName := func(a, b store.DeviceInfo) int { return strings.Compare(string(a.Device), string(b.Device)) }
	slices.SortFunc(got, byName)
	slices.SortFunc(want, byName)
	if len(got)+len(want) > 0 {
		same(f, "devices", got, want)
	}
}

func (f *fixture) touch(user chat.User, device chat.Device, seen time.Time) store.DeviceInfo {
	f.Helper()
	d := store.DeviceInfo{Device: device, Seen: seen}
	f.ok("touch device", f.TouchDevice(f.ctx, f.ns, user, d))
	return d
}

func deviceTouch(f *fixture) {
	f.sameDevices("a.b")
	phone, web := f.touch("a.b", "phone", at(1)), f.touch("a.b", "Phone", at(2))
	bob := f.touch("a", "phone", at(9))
	f.ok("touch device", f.TouchDevice(f.ctx, ns(), "a.b", store.DeviceInfo{Device: "foreign", Seen: at(3)}))
	f.sameDevices("a.b", phone, web)
	f.sameDevices("a", bob)

	phone = f.touch("a.b", "phone", at(4))
	f.touch("a.b", "Phone", at(1)) // older: stays
	f.touch("a.b", "phone", at(4))
	f.sameDevices("a.b", phone, web)
}

func deviceDrop(f *fixture) {
	a, b := f.joined("bob.b", "carol"), f.joined("bob.b")
	move := func(key chat.Key, user chat.User, device chat.Device) store.Move {
		return store.Move{Key: key, User: user, Device: device, Recv: 3, Read: 2, ReadCount: 2}
	}
	_, err := f.Advance(f.ctx, []store.Move{
		move(a, "bob.b", "phone"), move(a, "bob.b", "web"), move(b, "bob.b", "phone"), move(a, "carol", "phone"),
	})
	f.ok("advance", err)
	f.touch("bob.b", "phone", at(1))
	web, carol := f.touch("bob.b", "web", at(1)), f.touch("carol", "phone", at(1))

	f.ok("drop device", f.DropDevice(f.ctx, f.ns, "bob.b", "phone"))
	f.ok("drop device again", f.DropDevice(f.ctx, f.ns, "bob.b", "phone"))
	f.sameDevices("bob.b", web)
	f.sameDevices("carol", carol)
	recv := func(key chat.Key, user chat.User) map[chat.Device]chat.Seq {
		m := f.member(key, user)
		same(f, "read", m.Read, 2)
		return m.Recv
	}
	same(f, "recv", recv(a, "bob.b"), map[chat.Device]chat.Seq{"web": 3})
	same(f, "recv", len(recv(b, "bob.b")), 0)
	same(f, "recv", recv(a, "carol"), map[chat.Device]chat.Seq{"phone": 3})

	// It may come back, as a new one.
	phone := f.touch("bob.b", "phone", at(0))
	f.sameDevices("bob.b", web, phone)
	_, err = f.Advance(f.ctx, []store.Move{{Key: b, User: "bob.b", Device: "phone", Recv: 1}})
	f.ok("advance", err)
	same(f, "recv", recv(b, "bob.b"), map[chat.Device]chat.Seq{"phone": 1})
}

func deviceDropNothing(f *fixture) {
	f.ok("drop device", f.DropDevice(f.ctx, f.ns, "nobody", "phone"))
	f.sameDevices("nobody")
}
