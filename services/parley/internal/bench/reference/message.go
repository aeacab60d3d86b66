package reference

import (
	"errors"
	"fmt"
	"strconv"
)

// digits is how long the numbers of pair and message at the start of a payload are.
const digits = 10

// payload appends the message with this number of a pair.
func payload(b []byte, pair, number, size int) []byte {
	at := len(b)
	b = appendDigits(b, pair)
	b = appendDigits(b, number)
	const padding = "the quick brown fox jumps over the lazy dog and "
	for len(b)-at < size {
		b = append(b, padding[:min(len(padding), size-(len(b)-at))]...)
	}
	return b
}

func appendDigits(b []byte, n int) []byte {
	var d [digits]byte
	for i := digits - 1; i >= 0; i-- {
		d[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, d[:]...)
}

// pairOf reads which pair a message is of.
func pairOf(b []byte) (int, error) {
	if len(b) < 2*digits {
		return 0, errors.New("a message is cut short")
	}
	n, err := strconv.Atoi(string(b[:digits]))
	if err != nil {
		return 0, errors.New("a message is not one of ours")
	}
	return n, nil
}

// inbox checks the messages of one pair: each once, in order, as they were sent.
type inbox struct {
	pair, size int
	got        int
	want       []byte
}

func (i *inbox) check(b []byte) error {
	i.got++
	if len(i.want) == 0 {
		i.want = payload(nil, i.pair, i.got, i.size)
	}
	appendDigits(i.want[digits:digits], i.got)
	if string(b) != string(i.want) {
		return fmt.Errorf("pair %d: message %d is lost, doubled, altered or out of order", i.pair, i.got)
	}
	return nil
}
