// Package thumb looks at uploaded files: what they are, whatever they were said to
// be, and for images how large they are and a small picture of them.
//
// What comes in is foreign and may be made to hurt. An image is decoded only if its
// header promises no more pixels than the bound, and no more pixels at a time than
// that over all of a pod's decoders; a decoder that panics has found no image.
package thumb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
	"golang.org/x/sync/semaphore"
)

// SniffLen is how many bytes of a file tell what it is.
const SniffLen = 512

// served is what a browser may be given under its own type: it shows these, and
// runs none of them.
var served = map[string]bool{
	"image/jpeg": true, "image/png": true, "image/gif": true, "image/webp": true,
	"video/mp4": true, "video/webm": true, "audio/mpeg": true, "audio/wave": true, "audio/aiff": true, "application/ogg": true,
}

// Sniff tells what a file is from its first SniffLen bytes: the type that it may
// be served with, or "" if it may only be served as octets.
func Sniff(head []byte) string {
	typ, _, _ := strings.Cut(http.DetectContentType(head), ";")
	if served[typ] {
		return typ
	}
	return ""
}

// IsImage reports whether [Maker.Make] knows a type.
func IsImage(typ string) bool {
	switch typ {
	case "image/jpeg", "image/png", "image/gif", "image/webp":
		return true
	}
	return false
}

// ErrNoImage says that a file begins like an image and is none.
var ErrNoImage = errors.New("not an image")

// Options configure a [Maker].
type Options struct {
	// MaxPixels bounds an image that gets a thumbnail, and all that are decoded at a
	// time. Default: 2^24. A decoder needs up to 16 bytes a pixel, for a progressive
	// JPEG: 256 MiB.
	MaxPixels int64
	Side      int // of the square that a thumbnail fits into; default 320
}

// Maker makes thumbnails. It is safe for concurrent use.
type Maker struct {
	opts  Options
	slots *semaphore.Weighted
}

// NewMaker makes one.
func NewMaker(o Options) *Maker {
	if o.MaxPixels == 0 {
		o.MaxPixels = 1 << 24
	}
	if o.Side == 0 {
		o.Side = 320
	}
	return &Maker{opts: o, slots: semaphore.NewWeighted(o.MaxPixels)}
}

// Image is what was found.
type Image struct {
	W, H  int // as it is shown
	Thumb []byte
	Type  string // of Thumb; "" where there is none: the image is too large, or an animated WebP
}

// headerLen bounds what may stand before an image's size: a JPEG may have many
// segments of 64 KiB.
const headerLen = 1 << 20

// Make reads an image of a type that [IsImage] knows. It blocks while others are
// being decoded, until ctx ends. [ErrNoImage] says that it is none; other errors
// are those of r and ctx.
func (m *Maker) Make(ctx context.Context, typ string, r io.Reader) (img Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			img, err = Image{}, fmt.Errorf("%w: the decoder panicked: %v", ErrNoImage, p)
		}
	}()
	src := &source{ctx: ctx, r: r}
	var header bytes.Buffer
	cfg, err := decodeConfig(typ, io.TeeReader(io.LimitReader(src, headerLen), &header))
	if err != nil || cfg.Width < 1 || cfg.Height < 1 {
		return Image{}, src.blame(err)
	}
	turn := turnOf(typ, header.Bytes())
	img.W, img.H = turn.size(cfg.Width, cfg.Height)
	pixels := int64(cfg.Width) * int64(cfg.Height)
	if pixels > m.opts.MaxPixels || animated(typ, header.Bytes()) {
		return img, nil
	}
	if err := m.slots.Acquire(ctx, pixels); err != nil {
		return Image{}, fmt.Errorf("wait for other images: %w", err)
	}
	defer m.slots.Release(pixels)
	full, err := decode(typ, io.MultiReader(&header, src))
	if err != nil {
		return Image{}, src.blame(err)
	}
	if b := full.Bounds(); b.Dx() != cfg.Width || b.Dy() != cfg.Height {
		return Image{}, fmt.Errorf("%w: it is not as large as it says", ErrNoImage)
	}
	img.Thumb, img.Type, err = encode(turn.apply(m.shrink(full)))
	return img, err
}

// source remembers an error of the reader, to tell it from those of decoders.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *source) blame(err error) error {
	if s.err != nil {
		return fmt.Errorf("read image: %w", s.err)
	}
	return fmt.Errorf("%w: %v", ErrNoImage, err)
}

func decodeConfig(typ string, r io.Reader) (image.Config, error) {
	switch typ {
	case "image/jpeg":
		return jpeg.DecodeConfig(r)
	case "image/png":
		return png.DecodeConfig(r)
	case "image/gif":
		return gif.DecodeConfig(r)
	case "image/webp":
		return webp.DecodeConfig(r)
	}
	return image.Config{}, errors.New("unknown type " + typ)
}

// decode decodes an image; of an animation the first frame.
func decode(typ string, r io.Reader) (image.Image, error) {
	switch typ {
	case "image/jpeg":
		return jpeg.Decode(r)
	case "image/png":
		return png.Decode(r)
	case "image/gif":
		return decodeGIF(r)
	case "image/webp":
		return webp.Decode(r)
	}
	return nil, errors.New("unknown type " + typ)
}

// animated reports whether a file is an animation that the decoder does not know:
// RIFF, size, WEBP, VP8X, size, and a bit among the flags.
func animated(typ string, header []byte) bool {
	return typ == "image/webp" && len(header) > 20 && string(header[12:16]) == "VP8X" && header[20]&2 != 0
}

// decodeGIF puts the first frame, which may be smaller, onto the whole picture.
func decodeGIF(r io.Reader) (image.Image, error) {
	var header bytes.Buffer
	cfg, err := gif.DecodeConfig(io.TeeReader(r, &header))
	if err != nil {
		return nil, err
	}
	frame, err := gif.Decode(io.MultiReader(&header, r))
	if err != nil {
		return nil, err
	}
	whole := image.Rect(0, 0, cfg.Width, cfg.Height)
	if frame.Bounds() == whole {
		return frame, nil
	}
	canvas := image.NewNRGBA(whole)
	draw.Draw(canvas, frame.Bounds(), frame, frame.Bounds().Min, draw.Src)
	return canvas, nil
}

// shrink makes a picture that fits into the square, and never a larger one.
func (m *Maker) shrink(full image.Image) *image.NRGBA {
	b := full.Bounds()
	w, h := b.Dx(), b.Dy()
	if side := max(w, h); side > m.opts.Side {
		w, h = max(1, w*m.opts.Side/side), max(1, h*m.opts.Side/side)
	}
	small := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(small, small.Bounds(), full, b, draw.Src, nil)
	return small
}

// encode writes a thumbnail: JPEG, or PNG if one can look through it.
func encode(img *image.NRGBA) (data []byte, typ string, err error) {
	var b bytes.Buffer
	if img.Opaque() {
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 80})
		return b.Bytes(), "image/jpeg", err
	}
	err = png.Encode(&b, img)
	return b.Bytes(), "image/png", err
}
