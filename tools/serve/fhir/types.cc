#include "tools/serve/fhir/types.h"

#include <algorithm>

#include "engine/no_wait.h"

namespace ramet::serve::fhir {
namespace {

constexpr std::string_view kPrefix = "fhir.";

// Ascending.
constexpr auto kTypes = std::to_array<std::string_view>({
    "AccessPolicy", "Account", "ActivityDefinition", "AdverseEvent", "Agent", "AllergyIntolerance",
    "Appointment", "AppointmentResponse", "AsyncJob", "AuditEvent", "Basic", "Binary",
    "BiologicallyDerivedProduct", "BodyStructure", "Bot", "BulkDataExport", "Bundle",
    "CapabilityStatement", "CarePlan", "CareTeam", "CatalogEntry", "ChargeItem",
    "ChargeItemDefinition", "Claim", "ClaimResponse", "ClientApplication", "ClinicalImpression",
    "CodeSystem", "Communication", "CommunicationRequest", "CompartmentDefinition", "Composition",
    "ConceptMap", "Condition", "Consent", "Contract", "Coverage", "CoverageEligibilityRequest",
    "CoverageEligibilityResponse", "DetectedIssue", "Device", "DeviceDefinition", "DeviceMetric",
    "DeviceRequest", "DeviceUseStatement", "DiagnosticReport", "DocumentManifest",
    "DocumentReference", "DomainConfiguration", "EffectEvidenceSynthesis", "Encounter", "Endpoint",
    "EnrollmentRequest", "EnrollmentResponse", "EpisodeOfCare", "EventDefinition", "Evidence",
    "EvidenceVariable", "ExampleScenario", "ExplanationOfBenefit", "FamilyMemberHistory", "Flag",
    "Goal", "GraphDefinition", "Group", "GuidanceResponse", "HealthcareService", "ImagingStudy",
    "Immunization", "ImmunizationEvaluation", "ImmunizationRecommendation", "ImplementationGuide",
    "InsurancePlan", "Invoice", "JsonWebKey", "Library", "Linkage", "List", "Location", "Login",
    "Measure", "MeasureReport", "Media", "Medication", "MedicationAdministration",
    "MedicationDispense", "MedicationKnowledge", "MedicationRequest", "MedicationStatement",
    "MedicinalProduct", "MedicinalProductAuthorization", "MedicinalProductContraindication",
    "MedicinalProductIndication", "MedicinalProductIngredient", "MedicinalProductInteraction",
    "MedicinalProductManufactured", "MedicinalProductPackaged", "MedicinalProductPharmaceutical",
    "MedicinalProductUndesirableEffect", "MessageDefinition", "MessageHeader", "MolecularSequence",
    "NamingSystem", "NutritionOrder", "Observation", "ObservationDefinition",
    "OperationDefinition", "OperationOutcome", "Organization", "OrganizationAffiliation",
    "Parameters", "PasswordChangeRequest", "Patient", "PaymentNotice", "PaymentReconciliation",
    "Person", "PlanDefinition", "Practitioner", "PractitionerRole", "Procedure", "Project",
    "ProjectMembership", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson",
    "RequestGroup", "ResearchDefinition", "ResearchElementDefinition", "ResearchStudy",
    "ResearchSubject", "RiskAssessment", "RiskEvidenceSynthesis", "Schedule", "SearchParameter",
    "ServiceRequest", "Slot", "SmartAppLaunch", "Specimen", "SpecimenDefinition",
    "StructureDefinition", "StructureMap", "Subscription", "SubscriptionStatus", "Substance",
    "SubstanceNucleicAcid", "SubstancePolymer", "SubstanceProtein",
    "SubstanceReferenceInformation", "SubstanceSourceMaterial", "SubstanceSpecification",
    "SupplyDelivery", "SupplyRequest", "Task", "TerminologyCapabilities", "TestReport",
    "TestScript", "User", "UserConfiguration", "UserSecurityRequest", "ValueSet",
    "VerificationResult", "ViewDefinition", "VisionPrescription",
});
static_assert(std::is_sorted(kTypes.begin(), kTypes.end()));

}  // namespace

bool is_known_type(std::string_view name) {
  return std::binary_search(kTypes.begin(), kTypes.end(), name);
}

std::vector<std::string_view> known_types() { return {kTypes.begin(), kTypes.end()}; }

Result<TypeNumber> Types::number(std::string_view name) {
  if (name == "Binary") return kFileType;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = numbers_.find(name); found != numbers_.end()) return found->second;
  }
  RAMET_ASSIGN(const TypeNumber number,
               store_.intern_type(std::string(kPrefix) + std::string(name)));
  const std::lock_guard lock(mutex_);
  numbers_.emplace(name, number);
  names_.emplace(number, name);
  return number;
}

Result<std::string> Types::name(TypeNumber number) {
  if (number == kFileType) return std::string("Binary");
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = names_.find(number); found != names_.end()) return found->second;
  }
  RAMET_ASSIGN(std::string name, store_.type_name(number));
  if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
  const std::lock_guard lock(mutex_);
  names_.emplace(number, name);
  return name;
}

}  // namespace ramet::serve::fhir
