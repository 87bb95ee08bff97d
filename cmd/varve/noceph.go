//go:build !ceph

package main

import "varve/volume"

// What a build without Ceph knows; see ceph.go for the other one.

const knownVolumes = "raw files and block devices"

// ceph would be a cluster.
func (s *session) ceph(at volume.Location) (place, error) {
	return place{}, &volume.UnsupportedError{What: at.String(), Known: knownVolumes, Ceph: true}
}

// imageDestination would open an RBD image to be restored to.
func (r *restoration) imageDestination() (destination, error) {
	return destination{}, &volume.UnsupportedError{What: r.target.String(), Known: knownVolumes, Ceph: true}
}
