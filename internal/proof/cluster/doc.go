// Package cluster proves beside a real Ceph cluster that what is backed up of RBD images is right, whatever becomes
// meanwhile of Varve, of the image and of the daemons of the cluster. It holds tests alone, and is built with the tag ceph.
//
//   - Deaths: a process that backs an image up is killed before each call of the cluster and of the repository.
//   - Nights: images of every make are written, discarded, resized, rolled back, cloned and flattened, and each night's
//     revision is compared with what rbd exports.
//   - Writers: rbd and fio write while it is read.
//   - Daemons: the OSD and the monitor die, and come back or do not.
package cluster
