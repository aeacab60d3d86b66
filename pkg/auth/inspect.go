package auth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// KeySetInfo is what [KeySet.Inspect] found.
type KeySetInfo struct {
	Host    string        // that was asked
	Keys    int           // that can be used
	Skipped []error       // why others cannot
	Date    time.Time     // the server's, to the second; zero: it sends none
	Asked   time.Time     // when the answer was there, by this machine's clock
	Took    time.Duration // of asking: Date is of some moment in it
}

// Inspect fetches the keys once, and keeps nothing of them: it is for whoever wants to
// know whether that works. It blocks until the answer is there, at most
// [KeySetTimeout]. It is an error if no key can be used.
func (s *KeySet) Inspect(ctx context.Context) (KeySetInfo, error) {
	defer s.client.CloseIdleConnections()
	info := KeySetInfo{Host: s.host}
	begun := time.Now()
	data, header, err := s.get(ctx)
	info.Asked, info.Took = time.Now(), time.Since(begun)
	if err != nil {
		return info, err
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		info.Date = date
	}
	keys, skipped, err := parseKeySet(data)
	info.Keys, info.Skipped = len(keys), skipped
	if err != nil {
		return info, errors.Join(append(skipped, err)...)
	}
	return info, nil
}
