package thumb

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// picture is red on the left and blue on the right, and clear at the bottom if
// it has glass.
func picture(w, h int, glass bool) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: 255, A: 255}
			if x >= w/2 {
				c = color.NRGBA{B: 255, A: 255}
			}
			if glass && y >= h/2 {
				c.A = 0
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

func encoded(t *testing.T, typ string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch typ {
	case "image/jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "image/png":
		err = png.Encode(&b, img)
	case "image/gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// webpPixel is 1 × 1, lossless.
const webpPixel = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

func TestMake(t *testing.T) {
	pixel, err := base64.StdEncoding.DecodeString(webpPixel)
	if err != nil {
		t.Fatal(err)
	}
	m := NewMaker(Options{})
	for name, c := range map[string]struct {
		typ          string
		data         []byte
		w, h, tw, th int
		thumb        string
	}{
		"jpeg":         {"image/jpeg", encoded(t, "image/jpeg", picture(1000, 500, false)), 1000, 500, 320, 160, "image/jpeg"},
		"png":          {"image/png", encoded(t, "image/png", picture(300, 900, false)), 300, 900, 106, 320, "image/jpeg"},
		"png, glass":   {"image/png", encoded(t, "image/png", picture(400, 400, true)), 400, 400, 320, 320, "image/png"},
		"gif":          {"image/gif", encoded(t, "image/gif", picture(64, 48, false)), 64, 48, 64, 48, "image/jpeg"},
		"webp":         {"image/webp", pixel, 1, 1, 1, 1, ""},
		"narrow":       {"image/png", encoded(t, "image/png", picture(2, 2000, false)), 2, 2000, 1, 320, "image/jpeg"},
		"gif, clipped": {"image/gif", smallFrame(t), 40, 30, 40, 30, "image/png"},
	} {
		if got := Sniff(c.data); got != c.typ || !IsImage(got) {
			t.Errorf("%s: sniffed %q", name, got)
		}
		img, err := m.Make(t.Context(), c.typ, bytes.NewReader(c.data))
		if err != nil || img.W != c.w || img.H != c.h || c.thumb != "" && img.Type != c.thumb {
			t.Errorf("%s: %d × %d %q, %v", name, img.W, img.H, img.Type, err)
			continue
		}
		small, _, err := image.Decode(bytes.NewReader(img.Thumb))
		if err != nil || small.Bounds().Dx() != c.tw || small.Bounds().Dy() != c.th {
			t.Errorf("%s: thumbnail %v, %v", name, small, err)
		}
	}
}

// smallFrame is a GIF whose first frame does not cover it.
func smallFrame(t *testing.T) []byte {
	frame := image.NewPaletted(image.Rect(10, 10, 20, 20), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 40, Height: 30}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// held is a JPEG of a camera that was held so.
func held(t *testing.T, o uint16, order binary.AppendByteOrder, magic string) []byte {
	data := encoded(t, "image/jpeg", picture(200, 100, false))
	tiff := order.AppendUint32([]byte(magic), 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, tagOrientation)
	tiff = order.AppendUint16(tiff, 3)
	tiff = order.AppendUint32(tiff, 1)
	tiff = order.AppendUint16(tiff, o)
	tiff = append(tiff, make([]byte, 6)...)
	app1 := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, data[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(app1)+2))
	return append(append(out, app1...), data[2:]...)
}

// A camera held on its side: the picture is shown upright.
func TestTurned(t *testing.T) {
	m := NewMaker(Options{})
	red := map[uint16][2]int{1: {10, 50}, 2: {190, 50}, 3: {190, 50}, 4: {10, 50}, 5: {50, 10}, 6: {50, 10}, 7: {50, 190}, 8: {50, 190}}
	for o, at := range red {
		data := held(t, o, binary.LittleEndian, "II*\x00")
		if o%2 == 0 {
			data = held(t, o, binary.BigEndian, "MM\x00*")
		}
		img, err := m.Make(t.Context(), "image/jpeg", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		w, h := 200, 100
		if o >= 5 {
			w, h = 100, 200
		}
		small, err := jpeg.Decode(bytes.NewReader(img.Thumb))
		if err != nil || img.W != w || img.H != h || small.Bounds().Dx() != w {
			t.Fatalf("%d: %d × %d, %v", o, img.W, img.H, err)
		}
		if r, _, b, _ := small.At(at[0], at[1]).RGBA(); r < 0x8000 || b > 0x8000 {
			t.Errorf("%d: the red side is elsewhere", o)
		}
	}
}

// bomb is a PNG that promises pixels that it has not.
func bomb(w, h uint32) []byte {
	ihdr := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	out := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	return append(append(out, ihdr...), binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(ihdr))...)
}

// What promises too much is not decoded: its size is told, and that is all.
func TestBombs(t *testing.T) {
	m := NewMaker(Options{MaxPixels: 1 << 20})
	img, err := m.Make(t.Context(), "image/png", bytes.NewReader(bomb(30_000, 30_000)))
	if err != nil || img.W != 30_000 || img.Type != "" || img.Thumb != nil {
		t.Errorf("%+v, %v", img, err)
	}
	allocs := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			_, _ = m.Make(b.Context(), "image/png", bytes.NewReader(bomb(30_000, 30_000)))
		}
	}).AllocedBytesPerOp()
	if allocs > 1<<20 {
		t.Errorf("%d bytes for a bomb", allocs)
	}
	for name, data := range map[string][]byte{
		"within the bound, and nothing in it": bomb(1000, 1000),
		"too large for any machine":           bomb(1<<31-1, 1<<31-1),
		"no pixels":                           bomb(0, 10),
		"a page":                              []byte("\x89PNG\r\n\x1a\n<script>"),
		"nothing":                             nil,
	} {
		if img, err := m.Make(t.Context(), "image/png", bytes.NewReader(data)); !errors.Is(err, ErrNoImage) {
			t.Errorf("%s: %+v, %v", name, img, err)
		}
	}
	whole := encoded(t, "image/jpeg", picture(100, 100, false))
	for n := range whole[:len(whole)-1] {
		if img, err := m.Make(t.Context(), "image/jpeg", bytes.NewReader(whole[:n])); err == nil && img.Type != "" {
			t.Fatalf("%d of %d bytes: %+v", n, len(whole), img)
		}
	}
}

// An animated WebP has a size and no thumbnail.
func TestAnimated(t *testing.T) {
	data := []byte("RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x0f\x00\x00\x07\x00\x00")
	img, err := NewMaker(Options{}).Make(t.Context(), "image/webp", bytes.NewReader(data))
	if err != nil || img.W != 16 || img.H != 8 || img.Type != "" {
		t.Errorf("%+v, %v", img, err)
	}
}

// An error of the reader is no verdict over the image.
func TestReadError(t *testing.T) {
	away := errors.New("the store is away")
	whole := encoded(t, "image/jpeg", picture(100, 100, false))
	for _, n := range []int{0, 100, len(whole) - 10} {
		r := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(away))
		if _, err := NewMaker(Options{}).Make(t.Context(), "image/jpeg", r); !errors.Is(err, away) || errors.Is(err, ErrNoImage) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewMaker(Options{}).Make(ctx, "image/jpeg", bytes.NewReader(whole)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSniff(t *testing.T) {
	for head, want := range map[string]string{
		"<html><script>":                        "",
		"<?xml version=\"1.0\"?><svg onload=x>": "",
		"%PDF-1.7":                              "",
		"GIF89a":                                "image/gif",
		"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom": "video/mp4",
		"plain text": "",
		"":           "",
		"MZ":         "",
	} {
		if got := Sniff([]byte(head)); got != want {
			t.Errorf("%q: %q", head, got)
		}
	}
	if IsImage("image/svg+xml") || IsImage("") || !strings.HasPrefix(webpPixel, "UklGR") {
		t.Error("images")
	}
}

func FuzzMake(f *testing.F) {
	f.Add(uint8(0), []byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00"))
	f.Add(uint8(1), bomb(10, 10))
	f.Add(uint8(2), []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,"))
	pixel, _ := base64.StdEncoding.DecodeString(webpPixel)
	f.Add(uint8(3), pixel)
	m := NewMaker(Options{MaxPixels: 1 << 16})
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		typ := []string{"image/jpeg", "image/png", "image/gif", "image/webp"}[kind%4]
		img, err := m.Make(t.Context(), typ, bytes.NewReader(data))
		if err == nil && (img.W < 1 || img.H < 1) {
			t.Errorf("%+v", img)
		}
	})
}
