//go:build !ceph

package main

import "varve/volume"

// What a build without Ceph knows; see ceph.go for the other one.

const knownVolumes = "raw files and block devices"

// ceph is nothing that this build knows.
func (s *session) ceph() (place, bool) { return place{}, false }

// shelf would be the images of a cluster.
func (s *session) shelf() (shelf, error) {
	return shelf{}, &volume.UnsupportedError{What: "the snapshots of RBD images", Known: knownVolumes, Ceph: true}
}

// imageDestination would open an RBD image to be restored to.
func (r *restoration) imageDestination() (destination, error) {
	return destination{}, &volume.UnsupportedError{What: r.target.String(), Known: knownVolumes, Ceph: true}
}
