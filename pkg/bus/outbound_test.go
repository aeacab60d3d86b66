package bus

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func opened(maxBytes int) *outbound {
	o := newOutbound(maxBytes)
	o.open()
	return o
}

func texts(b *batch) (all []string) {
	for subject, data := range b.messages() {
		all = append(all, subject+"="+string(data))
	}
	return all
}

func TestOutboundKeepsOrderAndCopies(t *testing.T) {
	o := opened(1 << 20)
	buf := []byte("one")
	for _, text := range []string{"one", "", "two"} {
		buf = append(buf[:0], text...)
		if err := o.push("s", buf); err != nil {
			t.Fatal(err)
		}
	}
	copy(buf, "xxx")
	first := o.take()
	if err := o.push("t", []byte("three")); err != nil { // while the first is being written
		t.Fatal(err)
	}
	if got := fmt.Sprint(texts(first)); got != "[s=one s= s=two]" {
		t.Errorf("first batch %s", got)
	}
	o.done(first)
	if got := fmt.Sprint(texts(o.take())); got != "[t=three]" {
		t.Errorf("second batch %s", got)
	}
}

func TestOutboundIsBoundedWithWhatIsBeingWritten(t *testing.T) {
	const size = 1000
	o := opened(3 * (size + overhead))
	data := make([]byte, size)
	push := func() error { return o.push("s", data) }
	for range 2 {
		if push() != nil {
			t.Fatal("no room for two of three")
		}
	}
	b := o.take()
	if push() != nil {
		t.Error("no room for the third")
	}
	if err := push(); !errors.Is(err, ErrFull) {
		t.Errorf("the fourth: %v", err)
	}
	o.done(b)
	if err := push(); err != nil {
		t.Errorf("after the first two were written: %v", err)
	}
}

func TestOutboundClosed(t *testing.T) {
	o := newOutbound(1 << 20)
	if err := o.push("s", nil); err != nil {
		t.Fatalf("a queue that nobody closed: %v", err)
	}
	barrier := o.barrier()
	if n := o.close(ErrDisconnected); n != 1 {
		t.Errorf("%d dropped", n)
	}
	for name, err := range map[string]error{
		"barrier before": <-barrier,
		"barrier after":  <-o.barrier(),
		"push":           o.push("s", nil),
	} {
		if !errors.Is(err, ErrDisconnected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.open()
	if err := o.push("s", nil); err != nil {
		t.Error(err)
	}
	if got := len(texts(o.take())); got != 1 {
		t.Errorf("%d messages after it was opened again", got)
	}
}

func TestOutboundBarrierComesAfterWhatWasPushedBefore(t *testing.T) {
	o := opened(1 << 20)
	_ = o.push("s", nil)
	first := o.take()
	barrier := o.barrier()
	o.done(first)
	select {
	case <-barrier:
		t.Fatal("answered with the batch before it")
	default:
	}
	<-o.wake
	o.done(o.take())
	if err := <-barrier; err != nil {
		t.Error(err)
	}
}

func TestOutboundGivesBurstsBack(t *testing.T) {
	o := opened(8 * keepBytes)
	_ = o.push("s", make([]byte, 2*keepBytes))
	b := o.take()
	o.done(b)
	if cap(b.buf) > keepBytes {
		t.Errorf("%d bytes are kept", cap(b.buf))
	}
}

func TestOutboundDoesNotAllocate(t *testing.T) {
	o := opened(1 << 20)
	data := bytes.Repeat([]byte("x"), 200)
	round := func() {
		for range 10 {
			_ = o.push("s", data)
		}
		b := o.take()
		for range b.messages() {
		}
		o.done(b)
	}
	round()
	round()
	if n := testing.AllocsPerRun(100, round); n > 1 {
		t.Errorf("%v allocations for ten messages", n)
	}
}
