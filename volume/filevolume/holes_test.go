package filevolume

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"varve/volume"
)

func TestNextDataTrustsNoAnswer(t *testing.T) {
	type answer struct {
		at  int64
		err error
	}
	const off, size = 100, 1000
	tests := map[string]struct {
		data, hole answer
		want       volume.Extent
		err        error
	}{
		"ordinary":                   {answer{200, nil}, answer{300, nil}, volume.Extent{Offset: 200, Length: 100}, nil},
		"data at once":               {answer{100, nil}, answer{1000, nil}, volume.Extent{Offset: 100, Length: 900}, nil},
		"no more data":               {answer{0, unix.ENXIO}, answer{}, volume.Extent{}, nil},
		"data beyond the end":        {answer{1000, nil}, answer{}, volume.Extent{}, nil},
		"grown":                      {answer{200, nil}, answer{5000, nil}, volume.Extent{Offset: 200, Length: 800}, nil},
		"no such question":           {answer{0, unix.EINVAL}, answer{0, unix.EINVAL}, volume.Extent{Offset: 100, Length: 900}, nil},
		"no such question about it":  {answer{0, unix.EOPNOTSUPP}, answer{200, nil}, volume.Extent{Offset: 100, Length: 100}, nil},
		"data before":                {answer{50, nil}, answer{200, nil}, volume.Extent{Offset: 100, Length: 100}, nil},
		"an empty extent":            {answer{200, nil}, answer{200, nil}, volume.Extent{Offset: 200, Length: 800}, nil},
		"a hole before the data":     {answer{200, nil}, answer{150, nil}, volume.Extent{Offset: 200, Length: 800}, nil},
		"cut off between":            {answer{200, nil}, answer{0, unix.ENXIO}, volume.Extent{Offset: 200, Length: 800}, nil},
		"trouble finding the data":   {answer{0, unix.EIO}, answer{}, volume.Extent{}, unix.EIO},
		"trouble finding where ends": {answer{200, nil}, answer{0, unix.EIO}, volume.Extent{}, unix.EIO},
	}
	for name, tt := range tests {
		seek := func(_ int64, whence int) (int64, error) {
			if whence == unix.SEEK_DATA {
				return tt.data.at, tt.data.err
			}
			return tt.hole.at, tt.hole.err
		}
		got, err := nextData(seek, off, size)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %+v, %v, want %+v, %v", name, got, err, tt.want, tt.err)
		}
	}
}
