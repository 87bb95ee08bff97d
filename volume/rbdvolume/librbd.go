//go:build ceph

package rbdvolume

/*
#cgo LDFLAGS: -lrbd
#include <stdlib.h>
#include <rbd/librbd.h>
*/
import "C"

import (
	"syscall"
	"unsafe"

	"github.com/ceph/go-ceph/rados"
)

// What the library for Go has no call for.

// mapIsInvalid tells whether a snapshot's object map, or what fast-diff needs of it, is known not to be right.
func mapIsInvalid(ioctx *rados.IOContext, image, snapshot string) (invalid bool, err error) {
	err = withImage(ioctx, image, snapshot, func(im C.rbd_image_t) C.int {
		var flags C.uint64_t
		code := C.rbd_get_flags(im, &flags)
		invalid = flags&(C.RBD_FLAG_OBJECT_MAP_INVALID|C.RBD_FLAG_FAST_DIFF_INVALID) != 0
		return code
	})
	return invalid, err
}

// overlap is how many bytes of a snapshot of a clone may come from its parent; of other images none.
func overlap(ioctx *rados.IOContext, image, snapshot string) (n uint64, err error) {
	err = withImage(ioctx, image, snapshot, func(im C.rbd_image_t) C.int {
		var bytes C.uint64_t
		code := C.rbd_get_overlap(im, &bytes)
		n = uint64(bytes)
		return code
	})
	return n, err
}

// dataPool is the number of the pool in which an image has its data.
func dataPool(ioctx *rados.IOContext, image string) (id int64, err error) {
	err = withImage(ioctx, image, "", func(im C.rbd_image_t) C.int {
		id = int64(C.rbd_get_data_pool_id(im))
		return 0
	})
	return id, err
}

// withImage opens an image, or a snapshot of it, to be asked something.
func withImage(ioctx *rados.IOContext, image, snapshot string, ask func(C.rbd_image_t) C.int) error {
	name := C.CString(image)
	defer C.free(unsafe.Pointer(name))
	var snap *C.char
	if snapshot != "" {
		snap = C.CString(snapshot)
		defer C.free(unsafe.Pointer(snap))
	}
	var im C.rbd_image_t
	if code := C.rbd_open_read_only(C.rados_ioctx_t(ioctx.Pointer()), name, &im, snap); code < 0 {
		return syscall.Errno(-code)
	}
	code := ask(im)
	if closed := C.rbd_close(im); code >= 0 {
		code = closed
	}
	if code < 0 {
		return syscall.Errno(-code)
	}
	return nil
}
