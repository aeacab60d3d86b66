package thumb

import (
	"bytes"
	"encoding/binary"
	"image"
)

// turn is how an image has to be turned to be shown: the Orientation of Exif, 1
// to 8. Cameras write what they see and say how they were held.
type turn uint8

// across reports whether width and height change places.
func (t turn) across() bool { return t >= 5 && t <= 8 }

func (t turn) size(w, h int) (int, int) {
	if t.across() {
		return h, w
	}
	return w, h
}

// turnOf reads the Orientation of a JPEG from what stands before its size.
func turnOf(typ string, header []byte) turn {
	if typ != "image/jpeg" || len(header) < 2 {
		return 1
	}
	for b := header[2:]; len(b) >= 4 && b[0] == 0xff; {
		marker, size := b[1], int(binary.BigEndian.Uint16(b[2:]))+2
		if size < 4 || size > len(b) || marker == 0xda {
			break
		}
		if exif, ok := bytes.CutPrefix(b[4:size], []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return orientation(exif)
		}
		b = b[size:]
	}
	return 1
}

// tagOrientation is the tag in the first directory of Exif, which is TIFF inside.
const tagOrientation = 0x0112

func orientation(tiff []byte) turn {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return 1
	}
	if len(tiff) < 8 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	dir := tiff[at:]
	n := int(order.Uint16(dir))
	for i := range n {
		entry := 2 + 12*i
		if entry+12 > len(dir) {
			break
		}
		if order.Uint16(dir[entry:]) != tagOrientation {
			continue
		}
		if v := order.Uint16(dir[entry+8:]); v >= 1 && v <= 8 {
			return turn(v)
		}
	}
	return 1
}

// apply turns a small picture.
func (t turn) apply(src *image.NRGBA) *image.NRGBA {
	if t <= 1 {
		return src
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	tw, th := t.size(w, h)
	dst := image.NewNRGBA(image.Rect(0, 0, tw, th))
	for y := range h {
		for x := range w {
			dx, dy := x, y
			switch t {
			case 2:
				dx = w - 1 - x
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dy = h - 1 - y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			dst.SetNRGBA(dx, dy, src.NRGBAAt(x, y))
		}
	}
	return dst
}
