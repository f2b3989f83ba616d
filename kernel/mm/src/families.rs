//! Families: the address spaces that fork made of one another, which alone may share translation tables.
//!
//! Who reaches a table is not written down anywhere: it is asked of the tables themselves, from the root of each member
//! (`sharing`). So sharing a subtree is one descriptor written twice, and no record can become untrue. A program that
//! never forked is a family of one, which answers at once.
//!
//! Key types: [`Families`], [`FamilyId`], [`Member`].

use arch::{Asid, FrameNum};

/// The number of a family.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct FamilyId(u16);

/// A space, and where its tables begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    /// The space's slot.
    pub(crate) slot: u16,
    /// Its root table.
    pub(crate) root: FrameNum,
}

impl Member {
    /// What the hardware calls the space.
    pub(crate) fn asid(self) -> Asid {
        Asid::new(self.slot + 1)
    }
}

/// All families.
#[derive(Debug, Default)]
pub(crate) struct Families {
    members: Vec<Vec<Member>>,
    free: Vec<FamilyId>,
}

impl Families {
    /// A family without members. There are never more than spaces.
    pub(crate) fn found(&mut self) -> FamilyId {
        if let Some(id) = self.free.pop() {
            return id;
        }
        let id = FamilyId(u16::try_from(self.members.len()).expect("there are fewer families than ASIDs"));
        self.members.push(Vec::new());
        id
    }

    /// A space is born into a family.
    pub(crate) fn join(&mut self, id: FamilyId, member: Member) {
        self.members[usize::from(id.0)].push(member);
    }

    /// A space dies, or was never born (no member has the slot). With the last member goes the family.
    pub(crate) fn leave(&mut self, id: FamilyId, slot: u16) {
        let members = &mut self.members[usize::from(id.0)];
        members.retain(|member| member.slot != slot);
        if members.is_empty() {
            self.free.push(id);
        }
    }

    /// Everybody in it.
    #[inline]
    pub(crate) fn members(&self, id: FamilyId) -> &[Member] {
        &self.members[usize::from(id.0)]
    }
}
