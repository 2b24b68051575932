// SPDX-License-Identifier: Apache-2.0
#include "lib/datapath/published_maps_internal.h"

#include <utility>

#include "lib/base/status_macros_internal.h"
#include "lib/datapath/address_index_internal.h"

namespace ciliumcore::internal {

namespace {

using FdOf = std::function<absl::StatusOr<UniqueFd>(const char* name)>;
using IfindexMap = Map<uint32_t, uint32_t>;
using PrefixMap = Map<cc_prefix_key, uint32_t>;
using ClassMap = Map<cc_class_key, cc_class_value>;

template <typename M>
absl::StatusOr<M> AdoptNamed(const FdOf& fd_of, const char* name) {
  CC_ASSIGN_OR_RETURN(UniqueFd fd, fd_of(name));
  return M::Adopt(std::move(fd));
}

}  // namespace

absl::StatusOr<PublishedMaps> PublishedMaps::Adopt(const FdOf& fd_of) {
  CC_ASSIGN_OR_RETURN(auto state,
                      AdoptNamed<MappedArray<cc_state>>(fd_of, "cc_state"));
  CC_ASSIGN_OR_RETURN(auto endpoints, AdoptNamed<MappedArray<cc_endpoint>>(
                                          fd_of, "cc_endpoints"));
  CC_ASSIGN_OR_RETURN(
      auto subjects, AdoptNamed<MappedArray<cc_subject>>(fd_of, "cc_subjects"));
  CC_ASSIGN_OR_RETURN(auto ifindex,
                      AdoptNamed<IfindexMap>(fd_of, "cc_ifindex"));
  CC_ASSIGN_OR_RETURN(auto ifindex_far,
                      AdoptNamed<IfindexMap>(fd_of, "cc_ifindex_far"));
  CC_ASSIGN_OR_RETURN(auto addresses, AdoptNamed<MappedArray<cc_addr_heads>>(
                                          fd_of, "cc_addrs"));
  CC_ASSIGN_OR_RETURN(auto prefixes,
                      AdoptNamed<PrefixMap>(fd_of, "cc_prefixes"));
  CC_ASSIGN_OR_RETURN(auto places,
                      AdoptNamed<MappedArray<cc_place>>(fd_of, "cc_places"));
  CC_ASSIGN_OR_RETURN(auto hops,
                      AdoptNamed<MappedArray<cc_hop>>(fd_of, "cc_hops"));
  CC_ASSIGN_OR_RETURN(auto tables,
                      AdoptNamed<MappedArray<cc_table>>(fd_of, "cc_tables"));
  CC_ASSIGN_OR_RETURN(auto classes, AdoptNamed<ClassMap>(fd_of, "cc_classes"));
  CC_ASSIGN_OR_RETURN(auto cells,
                      AdoptNamed<MappedArray<cc_cell>>(fd_of, "cc_cells"));
  CC_ASSIGN_OR_RETURN(auto port_pages, AdoptNamed<MappedArray<cc_port_page>>(
                                           fd_of, "cc_port_pages"));
  return PublishedMaps{
      std::move(state),     std::move(endpoints),   std::move(subjects),
      std::move(ifindex),   std::move(ifindex_far), std::move(addresses),
      std::move(prefixes),  std::move(places),      std::move(hops),
      std::move(tables),    std::move(classes),     std::move(cells),
      std::move(port_pages)};
}

absl::StatusOr<PublishedMaps> PublishedMaps::CreateInMemory(
    const MapSizes& sizes) {
  CC_ASSIGN_OR_RETURN(auto state, MappedArray<cc_state>::CreateInMemory(
                                      {.name = "cc_state", .size = 1}));
  CC_ASSIGN_OR_RETURN(auto endpoints,
                      MappedArray<cc_endpoint>::CreateInMemory(
                          {.name = "cc_endpoints", .size = sizes.endpoints}));
  CC_ASSIGN_OR_RETURN(auto subjects,
                      MappedArray<cc_subject>::CreateInMemory(
                          {.name = "cc_subjects", .size = sizes.subjects}));
  CC_ASSIGN_OR_RETURN(auto ifindex, IfindexMap::CreateInMemory(
                                        {.name = "cc_ifindex",
                                         .kind = MapKind::kArray,
                                         .capacity = CC_IFINDEX_DIRECT}));
  CC_ASSIGN_OR_RETURN(auto ifindex_far, IfindexMap::CreateInMemory(
                                            {.name = "cc_ifindex_far",
                                             .kind = MapKind::kHash,
                                             .capacity = sizes.endpoints}));
  CC_ASSIGN_OR_RETURN(auto addresses,
                      MappedArray<cc_addr_heads>::CreateInMemory(
                          {.name = "cc_addrs",
                           .size = AddressIndex::LinesFor(sizes.addresses)}));
  CC_ASSIGN_OR_RETURN(auto prefixes,
                      PrefixMap::CreateInMemory({.name = "cc_prefixes",
                                                 .kind = MapKind::kLpmTrie,
                                                 .capacity = sizes.prefixes}));
  CC_ASSIGN_OR_RETURN(auto places,
                      MappedArray<cc_place>::CreateInMemory(
                          {.name = "cc_places", .size = sizes.places}));
  CC_ASSIGN_OR_RETURN(auto hops, MappedArray<cc_hop>::CreateInMemory(
                                     {.name = "cc_hops", .size = sizes.hops}));
  CC_ASSIGN_OR_RETURN(auto tables,
                      MappedArray<cc_table>::CreateInMemory(
                          {.name = "cc_tables", .size = sizes.tables}));
  CC_ASSIGN_OR_RETURN(auto classes,
                      ClassMap::CreateInMemory({.name = "cc_classes",
                                                .kind = MapKind::kHash,
                                                .capacity = sizes.classes}));
  CC_ASSIGN_OR_RETURN(auto cells,
                      MappedArray<cc_cell>::CreateInMemory(
                          {.name = "cc_cells", .size = sizes.cells}));
  CC_ASSIGN_OR_RETURN(auto port_pages,
                      MappedArray<cc_port_page>::CreateInMemory(
                          {.name = "cc_port_pages", .size = sizes.port_pages}));
  return PublishedMaps{
      std::move(state),     std::move(endpoints),   std::move(subjects),
      std::move(ifindex),   std::move(ifindex_far), std::move(addresses),
      std::move(prefixes),  std::move(places),      std::move(hops),
      std::move(tables),    std::move(classes),     std::move(cells),
      std::move(port_pages)};
}

}  // namespace ciliumcore::internal
